import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../console";
import type { Fault } from "./kit/fault";
import { Loki } from "./kit/loki";
import { noise, type Sent } from "./kit/pusher";

/** Lines of a push: a record of the log is damaged as a whole. */
const BATCH = 500;

export default {
  holds: "a flipped byte in each kind of file of the log engine: it starts, loses at most the block or record that is hit, and health says so",
  limit: [120, 900],
  async run(world) {
    const { console: server, api } = await world.console();
    const loki = await Loki.of(server);
    world.after(() => loki.close());
    const began = BigInt(Date.now()) * 1_000_000n;
    const truth = new Map<string, Sent[]>(["one", "two"].map((name) => [name, []]));
    // Enough for blocks (half of 32 MiB in memory makes some), and a log that holds what is in none.
    for (let at = 0; at < 70; at += 1) {
      for (const [name, lines] of truth) {
        const batch = Array.from({ length: BATCH }, (_, line) => ({ at: began + BigInt(lines.length + line) * 1_000n, line: `${name} seq=${lines.length + line} ${noise(280)}` }));
        lines.push(...batch);
        const { status, text } = await loki.push([{ stream: { service: name }, values: batch.map((one) => [String(one.at), one.line]) }]);
        world.ensure(status === 204, `a push answers ${status}: ${text}`);
      }
    }
    const logs = join(server.dataDir, "logs");
    await waitFor("blocks to be written", 30_000, () => readdirSync(join(logs, "packs")).some((name) => name.endsWith(".pack")));
    await server.end();
    const good = join(server.dataDir, "logs.good");
    cpSync(logs, good, { recursive: true });

    const biggest = (folder: string) =>
      readdirSync(join(good, folder))
        .map((name) => join(folder, name))
        .sort((a, b) => statSync(join(good, b)).size - statSync(join(good, a)).size)[0];
    const wal = biggest("wal");
    const pack = biggest("packs");
    const flips: { file: string; at: number; kind: string }[] = [{ file: "FORMAT", at: 5, kind: "format" }];
    const places = world.short ? 1 : 20;
    for (const [file, kind] of [[pack, "pack"], [wal, "log"]] as const) {
      const { size } = statSync(join(good, file));
      for (let place = 0; place < places; place += 1) flips.push({ file, at: Math.floor(Math.random() * size), kind });
    }
    const { size } = statSync(join(good, pack));
    // The head, the trailer and the footer of a pack; the header of a segment.
    for (const at of world.short ? [size - 28] : [3, 28, size - 4, size - 28, size - 60]) flips.push({ file: pack, at, kind: "pack's frame" });
    for (const at of world.short ? [44] : [3, 44]) flips.push({ file: wal, at, kind: "log's header" });

    const losses = new Map<string, number>();
    for (const flip of flips) {
      rmSync(logs, { recursive: true });
      cpSync(good, logs, { recursive: true });
      const bytes = readFileSync(join(logs, flip.file));
      bytes[flip.at] ^= 1 << Math.floor(Math.random() * 8);
      writeFileSync(join(logs, flip.file), bytes);
      await server.restart();
      const lost = await missing(loki, truth, began, `${flip.file} at ${flip.at}`);
      const { state, detail } = await api.part("log engine");
      const what = `${flip.kind} (${flip.file} at ${flip.at}): ${lost.length} lines lost, health "${state}: ${detail}"`;
      world.ensure(new Set(lost.map(({ stream }) => stream)).size <= 1, `lines of two streams are lost: ${what}`);
      const text = lost.reduce((sum, { line }) => sum + line.length, 0);
      // A block holds about a MiB of text, a record what one push brought.
      const most = flip.kind.startsWith("pack") ? 1.3 * (1 << 20) : BATCH * 400;
      world.ensure(text <= most, `more than one block or record is lost: ${what}`);
      world.ensure(lost.length === 0 || detail !== "", `nobody is told: ${what}`);
      if (lost.length > 0) losses.set(flip.kind, (losses.get(flip.kind) ?? 0) + 1);
      // It goes on: what is pushed now is kept, also over a start.
      const line = `after ${flip.file} ${flip.at}`;
      const { status } = await loki.push([{ stream: { service: "after" }, values: [[String(BigInt(Date.now()) * 1_000_000n), line]] }]);
      world.ensure(status === 204, `a push afterwards answers ${status}: ${what}`);
      await server.restart("SIGKILL");
      const after = await loki.all('{service="after"}', began, BigInt(Date.now() + 60_000) * 1_000_000n);
      world.ensure(after.some((row) => row.line === line), `what was pushed afterwards is gone: ${what}`);
      await server.end();
    }
    await server.restart();
    world.note(`${flips.length} flips; lines were lost in ${[...losses].map(([kind, times]) => `${times} of ${kind}`).join(", ") || "none"}, each time of one block or record`);
  },
} satisfies Fault;

type Lost = Sent & { stream: string };

/** Lines that were acknowledged and are not there; none may be there twice or altered. */
async function missing(loki: Loki, truth: Map<string, Sent[]>, began: bigint, when: string): Promise<Lost[]> {
  const lost: Lost[] = [];
  for (const [stream, lines] of truth) {
    // Counting those with a text in them reads every byte.
    const { result } = await loki.data<{ result: { value: [number, string] }[] }>("query", {
      query: `sum(count_over_time({service="${stream}"} |~ "${stream} seq=[0-9]+ " [1h]))`,
      time: began + 3_599_000_000_000n,
    });
    if (Number(result[0]?.value[1]) === lines.length) continue;
    const rows = await loki.all(`{service="${stream}"}`, began, began + 3_600_000_000_000n);
    const there = new Set(rows.map((row) => row.line));
    if (there.size !== rows.length) throw new Error(`${when}: ${rows.length - there.size} lines are there twice`);
    const known = new Set(lines.map(({ line }) => line));
    const invented = rows.find(({ line }) => !known.has(line));
    if (invented !== undefined) throw new Error(`${when}: a line that nobody sent: ${invented.line.slice(0, 80)}`);
    lost.push(...lines.filter(({ line }) => !there.has(line)).map((one) => ({ ...one, stream })));
  }
  return lost;
}
