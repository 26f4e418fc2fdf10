// (e) The console with 20 containers that say nothing and nobody watching: its memory and processor time.
// usage: node end2end/soak/kit/ts.cjs bench/idle.ts [--short] [--seconds=60] [--containers=20]
import { docker, runContainer } from "../end2end/docker";
import { flags, mb, report } from "../end2end/soak/kit/figures";
import { cpuSeconds, rssBytes } from "../end2end/soak/kit/process";
import { waitFor } from "../end2end/console";
import { Bench, pause } from "./world";

const { number } = flags();
const seconds = number("seconds", 60, 10);
const containers = number("containers", 20);

Bench.run(async (bench) => {
  for (let at = 1; at <= containers; at += 1) {
    const container = runContainer({ name: `bench-idle-${at}`, script: ["sleep", "3600"] });
    bench.after(() => container.remove());
  }
  const others = docker("ps", "--quiet").split("\n").filter(Boolean).length - containers;
  const { console: server, api } = await bench.console();
  const listed = async () => (await api.services()).filter(({ name }) => name.startsWith("bench-idle-")).length;
  await waitFor("all to be listed", 30_000, async () => (await listed()) === containers);
  await pause(10_000);
  const [began, used] = [performance.now(), cpuSeconds(server.pid)];
  await pause(seconds * 1_000);
  const share = (cpuSeconds(server.pid) - used) / ((performance.now() - began) / 1_000);
  const rss = rssBytes(server.pid);
  const also = others > 0 ? ` (and ${others} others of this machine)` : "";
  report("idle", `server RSS, ${containers} idle containers${also}`, mb(rss), "≤ 60 MB", rss <= 60e6);
  report("idle", `CPU of one core over ${seconds} s`, `${(share * 100).toFixed(2)} %`, "≤ 1 %", share <= 0.01);
});
