import type { Fault } from "./kit/fault";
import { launch, logsOf, ROW, visit } from "./kit/browser";
import { waitFor } from "../console";
import { seqComplaints, seqOf, talker } from "./kit/talk";
import { Viewer } from "./kit/viewer";

export default {
  holds: "a container removed while it is watched: its viewer is told `ended` behind whole lines, a new one of its name is picked up",
  limit: [60, 120],
  async run(world) {
    const rate = world.short ? 500 : 3_000;
    const rounds = world.short ? 2 : 10;
    const { api } = await world.console();
    const browser = await launch();
    world.after(() => browser.close());
    for (let round = 1; round <= rounds; round += 1) {
      const container = talker("passing", rate, rate * 600);
      await waitFor("the service to run", 15_000, async () => (await api.services()).some(({ name, status }) => name === "passing" && status === "running"));
      const viewer = await Viewer.watch(api, "passing");
      world.after(() => viewer.end());
      const { page, complaints } = await visit(browser, api);
      await page.goto(logsOf("passing"));
      container.go();
      await viewer.until(rate, 30_000);
      await page.locator(ROW).first().waitFor({ timeout: 15_000 });
      container.remove();
      await waitFor("the viewer to be told that it ended", 15_000, () => viewer.account.states.at(-1) === "ended");
      await page.getByText(/ended|gone|removed/i).first().waitFor({ timeout: 10_000 });
      const seqs = [...viewer.account.lines.values()].map((message) => seqOf(message) ?? 0);
      const last = Math.max(...seqs);
      world.ensure(viewer.account.doubled.length === 0, `${viewer.account.doubled.length} lines came twice`);
      if (viewer.account.dropped === 0) world.none("up to the last line", seqComplaints(viewer.account.lines.values(), last));
      world.none("the page", complaints);
      await page.context().close();
      viewer.end();
    }
    world.note(`${rounds} removed at ${rate} lines/s`);
  },
} satisfies Fault;
