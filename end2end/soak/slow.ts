import { waitFor } from "../console";
import type { Fault } from "./kit/fault";
import { rssBytes } from "./kit/process";
import { talker } from "./kit/talk";
import { Viewer } from "./kit/viewer";

export default {
  holds: "readers that never read cost little memory, disturb nobody, and are let go",
  limit: [60, 180],
  async run(world) {
    const [rate, seconds, readers] = world.short ? [3_000, 8, 5] : [5_000, 60, 20];
    const count = rate * seconds;
    const { console: server, api } = await world.console();
    const container = talker("flood", rate, count);
    await api.knows("flood");
    const healthy = await Viewer.watch(api, "flood");
    const stuck = await Promise.all(Array.from({ length: readers }, () => Viewer.watch(api, "flood")));
    world.after(() => [healthy, ...stuck].forEach((viewer) => viewer.end()));
    for (const viewer of stuck) viewer.stopReading();
    const before = rssBytes(server.pid);
    container.go();
    let most = 0;
    const watching = setInterval(() => (most = Math.max(most, rssBytes(server.pid))), 500);
    world.after(() => clearInterval(watching));
    await healthy.until(count, seconds * 3_000);
    clearInterval(watching);
    const each = (most - before) / (readers + 1);
    world.note(`at most ${((most - before) / 1e6).toFixed(0)} MB more with ${readers} of them (${(each / 1e6).toFixed(1)} MB each); the healthy viewer: ${healthy.account.dropped} of ${count} in gaps`);
    // Sixteen frames are shared; a socket's own buffer holds at most 4 MiB.
    world.ensure(most - before < 40e6 + readers * 6e6, "the memory of a reader that does not read is not bounded");
    world.ensure(healthy.account.doubled.length === 0, "the healthy viewer was sent lines twice");
    if (world.short) return;
    await waitFor("the console to let go of them", 90_000, async () => (await api.stats()).sockets <= 1);
    world.note("all were let go");
  },
} satisfies Fault;
