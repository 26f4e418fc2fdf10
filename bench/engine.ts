// The log engine over HTTP, on ten million lines of eight services (crates/logpush/examples/corpus.rs makes them, the same for the same seed):
// pushed as snappy protobuf, then searched by Loki's API. Warm: the median of several; cold: the kernel's page cache dropped before (as root).
// usage: node end2end/soak/kit/ts.cjs bench/engine.ts [--short] [--lines=10500000] [--connections=4]
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { count, flags, mb, ms, percentile, report } from "../end2end/soak/kit/figures";
import { Loki, type Params } from "../end2end/soak/kit/loki";
import { cpuSeconds, rssBytes } from "../end2end/soak/kit/process";
import { Bench, pause } from "./world";

const { short, number } = flags();
const lines = number("lines", 10_500_000, 300_000);
const connections = number("connections", 4);
const rounds = number("rounds", 7, 3);
const HOUR = 3_600_000_000_000n;
const SPREAD = 24n * HOUR;
const ROOT = resolve(__dirname, "..");
const BUILT = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "release/examples");

type Made = { lines: number; raw_bytes: number; sent_bytes: number; planted: string };
type Sent = { lines: number; seconds: number; p50_ms: number; p99_ms: number; slowest_ms: number };
type Scanned = { counts: number[]; absent_hex: string | null; hex_standing: number };
type Unpacked = { threads: number; blocks: number; raw_bytes: number; seconds: number };
type Summary = { bytesProcessedPerSecond: number; totalBytesProcessed: number; totalLinesProcessed: number; totalEntriesReturned: number };
type Found = { ms: number; returned: number; summary: Summary; result: { values: [number, string][] }[] };

async function tool<T>(name: string, ...args: (string | bigint | number)[]): Promise<T> {
  const { stdout } = await promisify(execFile)(join(BUILT, name), args.map(String), { maxBuffer: 1 << 24 });
  return JSON.parse(stdout) as T;
}

const say = (name: string, value: string, limit?: string, ok?: boolean) => report("engine", name, value, limit, ok);
const letters = (length: number) => Array.from({ length }, () => "abcdefghijklmnopqrstuvwxyz"[Math.floor(Math.random() * 26)]).join("");
const digits = (length: number) => Array.from({ length }, () => "0123456789abcdef"[Math.floor(Math.random() * 16)]).join("");

Bench.run(async (bench) => {
  execFileSync("cargo", ["build", "--release", "--locked", "--quiet", "-p", "logpush", "--example", "corpus", "-p", "logstore", "--example", "measure"], { cwd: ROOT, stdio: "inherit" });
  const folder = mkdtempSync(join(tmpdir(), "docaiche-corpus-"));
  bench.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "requests");
  // Its lines end a minute ago.
  const until = BigInt(Date.now() - 60_000) * 1_000_000n;
  const from = until - SPREAD;
  const made = await tool<Made>("corpus", "make", file, lines, from, until);
  say("the corpus: lines; raw; as sent", `${count(made.lines)}; ${mb(made.raw_bytes)}; ${mb(made.sent_bytes)}`, short ? undefined : "≥ 10 M, ≥ 2 GB", short ? undefined : made.lines >= 1e7 && made.raw_bytes >= 2e9);
  const [word, id] = [letters(10), digits(32)];
  const scanned = await tool<Scanned>("corpus", "scan", file, BigInt(`0x${digits(15)}`), word, id, made.planted);
  if (scanned.absent_hex === null || scanned.counts[0] + scanned.counts[1] > 0) throw new Error(`what should stand nowhere does: ${JSON.stringify(scanned)}`);

  const { console: server, api } = await bench.console();
  const loki = await Loki.of(server);
  bench.after(() => loki.close());
  await pause(3_000);
  say("console RSS, nothing pushed", mb(rssBytes(server.pid)));
  const used = cpuSeconds(server.pid);
  const sent = await tool<Sent>("corpus", "send", file, new URL(server.url).host.replace("localhost", "127.0.0.1"), loki.token, connections);
  const taking = cpuSeconds(server.pid) - used;
  const rate = sent.lines / sent.seconds;
  say(`lines/s pushed (snappy protobuf, ${connections} connections)`, count(Math.round(rate)), "≥ 150,000", rate >= 150_000);
  say("MB/s of lines; lines per second of the console's CPU", `${(made.raw_bytes / 1e6 / sent.seconds).toFixed(0)} MB/s; ${count(Math.round(sent.lines / taking))}`);
  say("a push of 5,000 lines, p50, p99, slowest", `${ms(sent.p50_ms)}, ${ms(sent.p99_ms)}, ${ms(sent.slowest_ms)}`);
  say("console RSS while pushed to, highest", mb(highest(server.pid)), "≤ 300 MB", highest(server.pid) <= 300e6);

  // What the engine still has to do: one second's upkeep at a time.
  let size = -1;
  for (let quiet = 0; quiet < 5; quiet += 1) {
    await pause(1_000);
    const now = diskBytes(join(server.dataDir, "logs"));
    if (now !== size) quiet = 0;
    size = now;
  }
  const packs = diskBytes(join(server.dataDir, "logs/packs"));
  const share = size / made.raw_bytes;
  // The write-ahead log is a constant; of few lines it is most.
  say("bytes on disk per raw byte", share.toFixed(3), "≤ 0.20", short ? undefined : share <= 0.2);
  say("of that: blocks; write-ahead log and the rest", `${mb(packs)}; ${mb(size - packs)}`);

  const all = { query: "", start: from - HOUR, end: until + 60_000_000_000n, limit: 100 };
  const ask = async (params: Params): Promise<Found> => {
    const { status, text, ms: took } = await loki.get("query_range", params);
    if (status !== 200) throw new Error(`${params.query}: ${status} ${text.slice(0, 300)}`);
    const { data } = JSON.parse(text) as { data: { result: { values: [number, string][] }[]; stats: { summary: Summary } } };
    const returned = data.result.reduce((sum, { values }) => sum + values.length, 0);
    return { ms: took, returned, summary: data.stats.summary, result: data.result };
  };
  const warm = async (params: Params, times = rounds): Promise<Found[]> => {
    await ask(params);
    const found: Found[] = [];
    for (let round = 0; round < times; round += 1) found.push(await ask(params));
    return found;
  };
  const median = (found: Found[]) => percentile(found.map((one) => one.ms), 0.5);
  const everywhere = (text: string) => ({ ...all, query: `{service=~".+"} |= "${text}"` });
  const cold = (() => {
    const drop = () => writeFileSync("/proc/sys/vm/drop_caches", "3");
    try {
      execFileSync("sync");
      drop();
      return drop;
    } catch {
      return undefined;
    }
  })();

  for (const [what, text, wanted] of [["absent word", word, 0], ["absent 128-bit id", id, 0], ["an id in 10 lines", made.planted, scanned.counts[2]]] as const) {
    const found = await warm(everywhere(text));
    const wrong = found.find(({ returned }) => returned !== wanted);
    if (wrong !== undefined) throw new Error(`${what}: ${wrong.returned} lines for ${wanted}`);
    const took = median(found);
    say(`${what}, all lines, warm; scanned`, `${ms(took)}; ${mb(found[0].summary.totalBytesProcessed)}`, "≤ 300 ms", took <= 300);
    if (cold === undefined) continue;
    const tries: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      cold();
      tries.push((await ask(everywhere(text))).ms);
    }
    say(`${what}, all lines, cold (page cache dropped)`, ms(percentile(tries, 0.5)), "≤ 1.5 s", percentile(tries, 0.5) <= 1_500);
  }

  // Turn about, so that what else the machine does meets both alike.
  const logs = join(server.dataDir, "logs");
  await tool<Unpacked>("measure", "unpack", logs);
  const [unpacked, searched]: [Unpacked[], Found[]] = [[], []];
  await ask(everywhere(scanned.absent_hex));
  for (let round = 0; round < rounds; round += 1) {
    unpacked.push(await tool<Unpacked>("measure", "unpack", logs));
    searched.push(await ask(everywhere(scanned.absent_hex)));
  }
  if (searched.some(({ returned }) => returned > 0)) throw new Error(`${scanned.absent_hex} is found`);
  const memory = percentile(unpacked.map((one) => one.raw_bytes / one.seconds), 0.5);
  const took = median(searched);
  const speed = made.raw_bytes / (took / 1e3);
  say(`unpacking every block, ${unpacked[0].threads} threads (the limit)`, `${(memory / 1e9).toFixed(2)} GB/s`);
  say(`absent ${scanned.absent_hex}, all lines, warm; scanned`, `${ms(took)}; ${mb(searched[0].summary.totalBytesProcessed)}`);
  say("its lines searched against unpacking", `${(speed / 1e9).toFixed(2)} GB/s, ${((speed / memory) * 100).toFixed(0)} %`, "≥ 60 %", speed / memory >= 0.6);
  const read = searched[0].summary.totalBytesProcessed / (took / 1e3);
  say("the same, counting only blocks that it unpacked", `${(read / 1e9).toFixed(2)} GB/s, ${((read / memory) * 100).toFixed(0)} %`);

  const plain = async (what: string, params: Params, limit?: number, times = rounds) => {
    const found = await warm(params, times);
    const value = median(found);
    const { totalBytesProcessed, totalLinesProcessed } = found[0].summary;
    const seen = totalBytesProcessed > 0 ? mb(totalBytesProcessed) : `${count(totalLinesProcessed)} lines`;
    say(`${what}; scanned; rows`, `${ms(value)}; ${seen}; ${count(found[0].returned)}`, limit === undefined ? undefined : `≤ ${limit} ms`, limit === undefined ? undefined : value <= limit);
    return found[0];
  };
  const last = { start: until - HOUR, end: until + 1n };
  await plain("a regex without literals, all lines", { ...all, query: '{service=~".+"} |~ "[g-z]{5}[0-9]{7}[g-z]"' }, undefined, 3);
  const newest = await plain("last 1,000 of a service", { ...all, query: '{service="gateway"}', limit: 1_000 }, 20);
  if (newest.returned !== 1_000) throw new Error(`${newest.returned} newest lines for 1,000`);
  await plain("`| json | status >= 500` of JSON services, one hour, 5,000 rows", { ...last, query: '{service=~"checkout|search"} | json | status >= 500', limit: 5_000 });
  await plain("the same, counted by service", { ...last, query: 'sum by (service) (count_over_time({service=~"checkout|search"} | json | status >= 500 [1h]))', step: "3600s" });
  const six = { start: until - 6n * HOUR, end: until, step: "60s" };
  const rates = await plain("sum by (service) (rate({service=~\".+\"}[5m])), 6 h at 60 s", { ...six, query: 'sum by (service) (rate({service=~".+"}[5m]))' }, 500);
  if (rates.result.length < 8) throw new Error(`${rates.result.length} series`);
  await plain("the same of lines with `error`", { ...six, query: 'sum by (service) (rate({service=~".+"} |= "error" [5m]))' });

  const peak = highest(server.pid);
  say("console RSS, highest in all of it (VmHWM)", mb(peak), "≤ 300 MB", peak <= 300e6);
  await pause(short ? 5_000 : 20_000);
  const idle = rssBytes(server.pid);
  say("console RSS, idle after all of it", mb(idle), "≤ 80 MB", idle <= 80e6);
  const began = performance.now();
  await server.restart();
  say("restart until ready, of that the end", ms(performance.now() - began));
  await api.services();
  await pause(short ? 3_000 : 10_000);
  const again = rssBytes(server.pid);
  say("console RSS, idle after a restart", mb(again), "≤ 80 MB", again <= 80e6);
});

/** The most memory a process has had (`VmHWM`, proc(5)). */
function highest(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmHWM:\s+(\d+) kB/m)?.[1]) * 1_024;
}

function diskBytes(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  // A file may go between the listing and the look.
  return files.reduce((sum, entry) => sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0), 0);
}
