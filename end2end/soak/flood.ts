import type { Fault } from "./kit/fault";
import { Viewer } from "./kit/viewer";
import { rssBytes } from "./kit/process";
import { pagingComplaints, seqComplaints, talker, written } from "./kit/talk";

export default {
  holds: "in a flood each viewer gets every line once or is told of it by a gap; memory stays flat; the scrollback is whole",
  limit: [60, 400],
  async run(world) {
    const [rate, count] = world.short ? [5_000, 40_000] : [10_000, 600_000];
    const { console: server, api } = await world.console();
    const container = talker("flood", rate, count);
    await api.knows("flood");
    const viewers = await Promise.all(Array.from({ length: 3 }, () => Viewer.watch(api, "flood")));
    world.after(() => viewers.forEach((viewer) => viewer.end()));
    const began = Date.now();
    container.go();
    // A quarter of the flood lets every buffer find its size.
    await viewers[0].until(count / 4, 120_000);
    const before = rssBytes(server.pid);
    for (const viewer of viewers) await viewer.until(count, 200_000);
    const after = rssBytes(server.pid);
    world.note(`${Math.round(count / ((Date.now() - began) / 1000))} lines/s`);
    world.note(`RSS ${(before / 1e6).toFixed(0)} → ${(after / 1e6).toFixed(0)} MB; in gaps ${viewers.map(({ account }) => account.dropped).join(", ")} of ${count}`);
    world.ensure(after - before < 30e6, "the console's memory grew by more than 30 MB after the first quarter");
    for (const { account } of viewers) world.none("a viewer", account.accounted === count ? [] : [`${account.accounted} of ${count} accounted for`]);
    if (world.short) {
      const paged = await api.all("flood");
      world.none("paging", pagingComplaints(paged, written(container)));
      for (const { account } of viewers) world.none("a viewer", account.complaints(paged));
      return;
    }
    // At full size the gapless part is enough: paging half a million lines through Docker is measured elsewhere.
    for (const { account } of viewers) {
      world.ensure(account.doubled.length === 0, `${account.doubled.length} lines came twice`);
      if (account.dropped === 0) world.none("a viewer", seqComplaints(account.lines.values(), count));
    }
  },
} satisfies Fault;
