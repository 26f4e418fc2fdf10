import type { Fault } from "./kit/fault";
import { launch, logsOf, ROW, visit } from "./kit/browser";
import { waitFor } from "../console";
import { lastSeq, pagingComplaints, talker, written } from "./kit/talk";
import { Viewer } from "./kit/viewer";

// Containers live on while their engine is away and write until their pipe is full, so there are lines to miss.
export default {
  holds: "Docker stopped, killed and started under load: the viewer is told, and no line that Docker still has is lost or doubled",
  limit: [90, 400],
  async run(world) {
    const [rate, seconds, rounds] = world.short ? [500, 10, 1] : [2_000, 90, 4];
    const count = rate * seconds;
    const { api } = await world.console();
    const container = talker("steady", rate, count);
    await api.knows("steady");
    const viewer = await Viewer.watch(api, "steady");
    world.after(() => viewer.end());
    const browser = await launch();
    world.after(() => browser.close());
    const { page, complaints } = await visit(browser, api);
    await page.goto(logsOf("steady"));
    container.go();
    await page.locator(ROW).first().waitFor({ timeout: 15_000 });
    for (let round = 1; round <= rounds; round += 1) {
      const told = viewer.account.states.length;
      await viewer.until(viewer.account.accounted + rate, 30_000);
      await world.engine.down(round % 2 === 1 ? "SIGTERM" : "SIGKILL");
      await waitFor("the viewer to be told that Docker is away", 15_000, () => viewer.account.states.slice(told).includes("reconnecting"));
      const away = page.getByText(/docker does not answer/i).first();
      await away.waitFor({ timeout: 10_000 });
      await world.engine.up();
      await waitFor("the viewer to be told that Docker is back", 30_000, () => viewer.account.states.at(-1) === "live");
      await away.waitFor({ state: "hidden", timeout: 10_000 });
    }
    await waitFor("the container to be done", seconds * 3_000, () => lastSeq(container) === count);
    const truth = written(container);
    await viewer.until(truth.length, 60_000);
    const paged = await api.all("steady");
    world.note(`${rounds} times away; ${truth.length} of ${count} lines are with Docker; ${viewer.account.lines.size} came, ${viewer.account.dropped} in gaps`);
    world.none("paging", pagingComplaints(paged, truth));
    world.none("the viewer", viewer.account.complaints(paged));
    world.none("the page", complaints);
    await page.locator(ROW, { hasText: new RegExp(`seq=${count}\\D`) }).first().waitFor({ timeout: 10_000 });
  },
} satisfies Fault;
