import type { Fault } from "./kit/fault";
import { waitFor } from "../console";
import { lastSeq, pagingComplaints, seqComplaints, talker, written } from "./kit/talk";
import { Viewer } from "./kit/viewer";

export default {
  holds: "the console killed (-9) and started under load: the session lives, a viewer that comes back behind its last line misses and repeats none",
  limit: [60, 300],
  async run(world) {
    const [rate, seconds, rounds] = world.short ? [500, 10, 2] : [2_000, 120, 12];
    const count = rate * seconds;
    const { console: server, api } = await world.console();
    const container = talker("steady", rate, count);
    await api.knows("steady");
    const viewer = await Viewer.watch(api, "steady", { comesBack: true });
    world.after(() => viewer.end());
    container.go();
    for (let round = 1; round <= rounds; round += 1) {
      await viewer.until(viewer.account.accounted + rate, 30_000);
      await server.restart("SIGKILL");
      await waitFor("the viewer to be back", 15_000, () => viewer.isOpen);
    }
    await waitFor("the container to be done", seconds * 3_000, () => lastSeq(container) === count);
    await viewer.until(count, 60_000);
    const paged = await api.all("steady");
    world.note(`killed ${rounds} times; ${viewer.account.lines.size} lines came, ${viewer.account.dropped} in gaps`);
    world.none("paging", [...pagingComplaints(paged, written(container)), ...seqComplaints(paged.map(({ message }) => message), count)]);
    world.none("the viewer", viewer.account.complaints(paged));
  },
} satisfies Fault;
