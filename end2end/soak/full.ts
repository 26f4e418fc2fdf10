import { rmSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../console";
import { Api, login, PASSWORD } from "./kit/api";
import { consoleOn, fill, smallDisk } from "./kit/disk";
import type { Fault } from "./kit/fault";
import { talker } from "./kit/talk";
import { Viewer } from "./kit/viewer";

export default {
  holds: "the disk of the database full: signing in says 503, live viewing goes on, and all is well when there is room again",
  limit: [60, 120],
  async run(world) {
    const disk = smallDisk(world, "16m");
    const { console: server, api } = await consoleOn(disk, world);
    const container = talker("steady", 100, 100_000);
    await api.knows("steady");
    const viewer = await Viewer.watch(api, "steady");
    world.after(() => viewer.end());
    container.go();
    await viewer.until(50, 15_000);

    const filler = join(disk, "filler");
    fill(filler);
    const seen: number[] = [];
    await waitFor("a sign-in to be refused for want of room", 60_000, async () => {
      fill(filler);
      const answer = await login(server.url, "admin", PASSWORD);
      seen.push(answer.status);
      world.ensure([204, 503].includes(answer.status), `a sign-in on a full disk answers ${answer.status}: ${await answer.clone().text()}`);
      if (answer.status !== 503) return false;
      const { code, detail } = (await answer.json()) as { code: string; detail: string };
      world.ensure(code === "UNAVAILABLE", `its code is ${code}`);
      world.note(`sign-ins: ${seen.filter((status) => status === 204).length} before the log of the database was full, then 503 "${detail}"`);
      return true;
    });
    // The page's form says so in its own words.
    const form = await fetch(`${server.url}/login`, { method: "POST", redirect: "manual", body: new URLSearchParams({ username: "admin", password: PASSWORD }) });
    const next = form.headers.get("location") ?? "";
    world.ensure(form.status === 303 && /error=(unavailable|throttled)/.test(next), `the form answers ${form.status} ${next}`);
    const before = viewer.account.lines.size;
    await viewer.until(before + 300, 15_000);
    const [me, page, health] = await Promise.all([api.fetch("/api/v1/auth/me"), api.fetch("/api/v1/logs/steady?limit=5"), fetch(`${server.url}/healthz`)]);
    world.ensure(me.status === 200 && page.status === 200 && health.status === 200, `while full: me ${me.status}, a page ${page.status}, healthz ${health.status}`);

    rmSync(filler);
    // Attempts that came to nothing count as failed ones: the throttle may ask for patience.
    await waitFor("signing in to work again", 45_000, async () => {
      const answer = await login(server.url, "admin", PASSWORD);
      if (answer.status === 204) return true;
      world.ensure([429, 503].includes(answer.status), `with room again a sign-in answers ${answer.status}`);
      await new Promise((next) => setTimeout(next, 1_000));
      return false;
    });
    await (await Api.signIn(server)).services();
    world.ensure(viewer.account.doubled.length === 0, "lines came twice");
    await server.restart();
    await Api.signIn(server);
  },
} satisfies Fault;
