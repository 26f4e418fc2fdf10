import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../console";
import { runContainer } from "../docker";
import type { Fault } from "./kit/fault";
import { Viewer } from "./kit/viewer";

// The machine's clock is not ours to step. A container that says nothing has its log written for it, with times of a clock that steps back
// an hour and forward again: what Docker's own file would hold. A log file of the log directory gets the same times in its text.
export default {
  holds: "the clock steps back and forward: every line comes once on the socket and once by paging",
  limit: [60, 60],
  async run(world) {
    const each = world.short ? 200 : 5_000;
    const { console: server, api } = await world.console();
    const container = runContainer({ name: "timeless", script: ["sleep", "600"] });
    const file = join(server.logDir, "stepping.log");
    appendFileSync(file, "");
    const now = Date.now();
    const hour = 3_600_000;
    const clocks = [now - 2 * hour, now - 3 * hour, now - hour];
    const lines = clocks.flatMap((clock, step) =>
      Array.from({ length: each }, (_, at) => ({ time: new Date(clock + at).toISOString(), text: `seq=${step * each + at + 1} step=${step}` })),
    );
    const services = [
      { name: "timeless", write: (one: (typeof lines)[number]) => `${JSON.stringify({ log: `${one.text}\n`, stream: "stdout", time: one.time })}\n`, to: world.engine.logFile(container.id) },
      { name: "stepping", write: (one: (typeof lines)[number]) => `${one.time} info ${one.text}\n`, to: file },
    ];
    for (const { name, write, to } of services) {
      await api.knows(name);
      // Lines that a first look finds are history, of which live views show the last five minutes only: what follows must be new.
      await waitFor("the container to be followed", 15_000, async () => (await api.upstreams()) === 1);
      const viewer = await Viewer.watch(api, name);
      world.after(() => viewer.end());
      for (let step = 0; step < clocks.length; step += 1) {
        appendFileSync(to, lines.slice(step * each, (step + 1) * each).map(write).join(""));
        await viewer.until((step + 1) * each, 20_000);
      }
      const paged = await api.all(name);
      const texts = new Set(paged.map(({ message }) => message.match(/seq=\d+/)?.[0]));
      world.ensure(paged.length === lines.length && texts.size === lines.length, `${name}: paging has ${paged.length} lines, ${texts.size} different, for ${lines.length}`);
      world.none(name, viewer.account.complaints(paged));
      world.note(`${name}: ${viewer.account.lines.size} came, ${viewer.account.dropped} in gaps`);
    }
  },
} satisfies Fault;
