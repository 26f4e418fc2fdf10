// (f) 200 viewers of one service at 100 lines/s: one upstream, the same lines for each, and what a viewer costs in memory.
// usage: node end2end/soak/kit/ts.cjs bench/viewers.ts [--short] [--viewers=200] [--seconds=30] [--rate=100]
import { waitFor } from "../end2end/console";
import { count, flags, mb, report } from "../end2end/soak/kit/figures";
import { cpuSeconds, rssBytes, Sampler } from "../end2end/soak/kit/process";
import { Viewer } from "../end2end/soak/kit/viewer";
import { Bench, pause } from "./world";

const { number } = flags();
const viewers = number("viewers", 200, 40);
const seconds = number("seconds", 30, 6);
const rate = number("rate", 100);

Bench.run(async (bench) => {
  const { console: server, api } = await bench.console();
  const lines = rate * seconds;
  // One viewer first, of as many lines: what signing in and reading cost once is not the others' cost.
  const first = bench.talker("bench-first", rate, lines);
  await api.knows("bench-first");
  const one = await Viewer.watch(api, "bench-first");
  bench.after(() => one.end());
  first.go();
  const alone = await steady(server.pid, async () => {
    await one.until(lines, seconds * 3_000);
  });
  one.end();
  first.remove();
  await waitFor("the first upstream to be let go", 20_000, async () => (await api.upstreams()) === 0);

  const container = bench.talker("bench-viewers", rate, lines);
  await api.knows("bench-viewers");
  const all: Viewer[] = [];
  bench.after(() => all.forEach((viewer) => viewer.end()));
  for (let at = 0; at < viewers; at += 1) all.push(await Viewer.watch(api, "bench-viewers"));
  const cpu = cpuSeconds(server.pid);
  container.go();
  const together = await steady(server.pid, () =>
    waitFor("every viewer to have every line", seconds * 3_000, () => all.every(({ account }) => account.accounted >= lines)).catch(() => undefined),
  );
  const used = (cpuSeconds(server.pid) - cpu) / seconds;
  await pause(500);
  const upstreams = await api.upstreams();
  report("viewers", `upstreams for ${viewers} viewers of one service`, count(upstreams), "1", upstreams === 1);
  const each = (more: number) => `${(more / (viewers - 1) / 1e3).toFixed(1)} KB`;
  report("viewers", `RSS for each viewer at ${rate} lines/s, mean; highest`, `${each(together.mean - alone.mean)}; ${each(together.most - alone.most)}`);
  report("viewers", "server RSS with one, with all (means)", `${mb(alone.mean)}, ${mb(together.mean)}`);
  report("viewers", "CPU of one core while all are served", `${(used * 100).toFixed(0)} %`);
  const whole = all.filter(({ account }) => account.lines.size === lines && account.doubled.length === 0 && account.dropped === 0).length;
  report("viewers", `viewers with every one of ${count(lines)} lines once`, `${whole} of ${viewers}`, "all", whole === viewers);
});

/** Memory during the second half of what is waited for, in bytes. */
async function steady(pid: number, wait: () => Promise<void>): Promise<{ mean: number; most: number }> {
  const sampler = new Sampler(250, () => rssBytes(pid));
  await wait();
  const all = sampler.stop().map(({ bytes }) => bytes);
  const half = all.slice(Math.floor(all.length / 2));
  return { mean: half.reduce((sum, bytes) => sum + bytes, 0) / half.length, most: Math.max(...half) };
}
