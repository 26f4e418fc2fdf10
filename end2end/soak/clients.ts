import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitFor } from "../console";
import type { Fault, World } from "./kit/fault";
import { Loki } from "./kit/loki";

const RATE = 100;
/** What each client does by itself when a push fails. */
const CLIENTS: { kind: "pino" | "winston" | "otlp" | "syslog-ng"; retries: boolean }[] = [
  // Reports the error and forgets the batch.
  { kind: "pino", retries: false },
  { kind: "winston", retries: true },
  { kind: "otlp", retries: true },
  { kind: "syslog-ng", retries: true },
];

export default {
  holds: "pino-loki, winston-loki, OpenTelemetry's exporter and syslog-ng push while the console is killed (-9) and started: nothing is lost that the client tries again, nothing is there twice",
  limit: [120, 240],
  async run(world) {
    const seconds = world.short ? 8 : 60;
    const { console: server } = await world.console();
    const loki = await Loki.of(server);
    world.after(() => loki.close());
    const began = BigInt(Date.now() - 1_000) * 1_000_000n;
    const started = await Promise.all(CLIENTS.map(async ({ kind, retries }) => ({ kind, retries, sender: await start(world, kind, loki, seconds) })));
    // An early end is told of where it is waited for.
    for (const { sender } of started) sender?.done.catch(() => undefined);
    const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
    await pause(seconds * 450);
    const killed = Date.now();
    await server.end("SIGKILL");
    await pause(world.short ? 700 : 2_000);
    await server.restart();
    const back = Date.now();
    for (const { kind, retries, sender } of started) {
      if (sender === undefined) {
        world.note(`${kind} is not here`);
        continue;
      }
      const { written, said } = await sender.done;
      const rows = async () => await loki.all(`{service_name="${kind}"}`, began, BigInt(Date.now() + 60_000) * 1_000_000n);
      const seqs = async () => (await rows()).map(({ line }) => Number(line.match(/\bseq=(\d+) t=\d+ end/)?.[1] ?? Number.NaN));
      if (retries) await waitFor(`every line of ${kind}`, 45_000, async () => new Set(await seqs()).size >= written).catch(() => undefined);
      const all = await rows();
      const found = new Map(all.map(({ line }) => [Number(line.match(/\bseq=(\d+) /)?.[1]), Number(line.match(/ t=(\d+) end/)?.[1])]));
      const lost = Array.from({ length: written }, (_, at) => at + 1).filter((seq) => !found.has(seq));
      world.ensure(!found.has(Number.NaN), `${kind}: a line without a number: ${all.find(({ line }) => !/seq=\d/.test(line))?.line.slice(0, 200)}`);
      const doubled = all.length - found.size;
      world.note(`${kind}: ${written} written, ${lost.length} lost, ${doubled} twice${said === "" ? "" : ` (it says: ${said.split("\n")[0].slice(0, 120)})`}`);
      world.ensure(doubled === 0, `${kind}: ${doubled} lines are there twice`);
      if (retries) world.ensure(lost.length === 0, `${kind}: ${lost.length} of ${written} lines are lost, the first seq=${lost[0]}`);
      else {
        // What was told to be kept is there: only lines of batches under way then, or begun meanwhile, may be missing.
        const around = lost.filter((seq) => Math.abs(at(found, seq) - killed) < 5_000 || (at(found, seq) >= killed && at(found, seq) <= back + 3_000));
        world.ensure(around.length === lost.length, `${kind}: ${lost.length - around.length} of ${written} lines are lost that were not pushed meanwhile: ${lost.filter((seq) => !around.includes(seq)).slice(0, 30)}; it says ${said.slice(0, 300)}`);
      }
    }
  },
} satisfies Fault;

/** About when a line was written: as its neighbours that are there say. */
function at(found: Map<number, number>, seq: number): number {
  for (let step = 1; step < 100_000; step += 1) {
    const near = found.get(seq - step) ?? found.get(seq + step);
    if (near !== undefined) return near + (found.has(seq - step) ? step : -step) * (1_000 / RATE);
  }
  return 0;
}

type Sender = { done: Promise<{ written: number; said: string }> };

async function start(world: World, kind: string, loki: Loki, seconds: number): Promise<Sender | undefined> {
  if (kind === "syslog-ng") return syslogNg(world, loki, seconds);
  const child = spawn(process.execPath, [join(__dirname, "kit/senders.mjs"), kind, loki.url, loki.token, kind, String(seconds), String(RATE)], { stdio: ["ignore", "pipe", "pipe"] });
  world.after(() => void child.kill());
  return { done: ended(child).then(({ stdout, stderr, code }) => {
    const written = Number(stdout.match(/written (\d+)/)?.[1] ?? 0);
    if (code !== 0 || written === 0) throw new Error(`${kind} ended with ${code}: ${stderr.slice(-500)}`);
    return { written, said: stderr };
  }) };
}

async function ended(child: ChildProcess): Promise<{ stdout: string; stderr: string; code: number | null }> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (data) => (stdout += data));
  child.stderr?.on("data", (data) => (stderr += data));
  const code = await new Promise<number | null>((done) => child.once("exit", done));
  return { stdout, stderr, code };
}

/** Follows a file, and sends by its http() destination what Loki's API wants. */
function syslogNg(world: World, loki: Loki, seconds: number): Sender | undefined {
  if (spawnSync("syslog-ng", ["--version"], { stdio: "ignore" }).status !== 0) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "docaiche-syslog-ng-"));
  world.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "in.log");
  writeFileSync(file, "");
  const config = join(folder, "syslog-ng.conf");
  writeFileSync(
    config,
    `@version: 3.38
options { stats-freq(0); };
source in { file("${file}" flags(no-parse) follow-freq(0.2)); };
destination console {
  http(
    url("${loki.url}/loki/loki/api/v1/push") method("POST")
    headers("Authorization: Bearer ${loki.token}", "Content-Type: application/json")
    body-prefix('{"streams":[{"stream":{"service_name":"syslog-ng"},"values":[') delimiter(",") body-suffix(']}]}')
    body('["\${R_UNIXTIME}\${R_USEC}000","\${MESSAGE}"]')
    batch-lines(100) batch-timeout(500) retries(1000) time-reopen(1)
  );
};
log { source(in); destination(console); };
`,
  );
  const at = (name: string) => join(folder, name);
  const child = spawn("syslog-ng", ["--foreground", "--no-caps", "--cfgfile", config, "--persist-file", at("persist"), "--pidfile", at("pid"), "--control", at("ctl"), "--stderr"], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr?.on("data", (data) => (said += data));
  world.after(() => void child.kill());
  return {
    done: (async () => {
      const began = Date.now();
      let written = 0;
      while (Date.now() - began < seconds * 1_000) {
        const due = Math.floor(((Date.now() - began) / 1_000) * RATE);
        let text = "";
        while (written < due) text += `syslog-ng seq=${(written += 1)} t=${Date.now()} end\n`;
        appendFileSync(file, text);
        await new Promise((next) => setTimeout(next, 50));
      }
      if (child.exitCode !== null) throw new Error(`syslog-ng ended with ${child.exitCode}: ${said.slice(-500)}`);
      return { written, said: said.split("\n").find((line) => /error|unsuccess/i.test(line)) ?? "" };
    })(),
  };
}
