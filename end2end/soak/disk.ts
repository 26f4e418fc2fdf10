import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../console";
import { consoleOn, fill, smallDisk } from "./kit/disk";
import type { Fault } from "./kit/fault";
import { Loki } from "./kit/loki";
import { Pusher } from "./kit/pusher";

export default {
  holds: "the disk of the log engine full, then read-only: a push is answered with an error, health says so, nothing acknowledged is lost, and it goes on by itself",
  limit: [90, 300],
  async run(world) {
    const disk = smallDisk(world, "192m");
    const { console: server, api } = await consoleOn(disk, world);
    const loki = await Loki.of(server);
    world.after(() => loki.close());
    const options = { mostLines: 200, mostBytes: 2_000, restMs: 5 };
    const all = ["one", "two", "three"].map((name) => new Pusher(loki, name, options));
    const look = async (when: string) => {
      for (const pusher of all) world.none(when, [...(await pusher.complaints()), ...pusher.strange]);
    };
    const kept = () => all.reduce((sum, pusher) => sum + pusher.acknowledged.length, 0);
    const moreKept = async (when: string) => {
      const before = kept();
      await waitFor(`lines to be kept ${when}`, 30_000, () => kept() > before + 500);
    };
    await moreKept("at first");

    // By what is pushed, or by someone else: between blocks being written and the log.
    const filler = join(disk, "filler");
    for (let round = 0; round < (world.short ? 1 : 5); round += 1) {
      fill(filler);
      await waitFor("a push to be refused for want of room", 60_000, async () => {
        fill(filler);
        const { status, text } = await probe(loki);
        world.ensure([204, 503].includes(status), `a push on a full disk answers ${status}: ${text}`);
        if (status === 503 && round === 0) world.note(`full: 503 "${text.trim()}"`);
        return status === 503;
      });
      const detail = await api.part("log engine");
      world.ensure(detail.state === "down", `full, the engine is ${detail.state}: ${detail.detail}`);
      if (round === 0) world.note(`health: "${detail.detail}"`);
      await look("on a full disk");
      rmSync(filler);
      await moreKept("with room again");
    }
    await waitFor("health to be well again", 15_000, async () => (await api.part("log engine")).state === "ok");
    await look("with room again");

    // Read-only from the start, for the kernel makes no folder so while a file in it is open for writing.
    await server.end();
    const logs = join(server.dataDir, "logs");
    world.ensure(mount("--bind", logs, logs) === 0 && mount("-o", "remount,ro,bind", logs) === 0, "the folder of logs does not become read-only");
    world.after(() => void spawnSync("umount", ["--lazy", logs]));
    await server.restart();
    await waitFor("a push to be refused on a read-only disk", 30_000, async () => (await probe(loki)).status === 503);
    const detail = await api.part("log engine");
    world.ensure(detail.state === "down", `read-only, the engine is ${detail.state}: ${detail.detail}`);
    world.note(`read-only: "${detail.detail}"`);
    await look("on a read-only disk");
    world.ensure(mount("-o", "remount,rw,bind", logs) === 0, "the folder of logs does not become writable");
    await moreKept("on a disk that is writable again");

    await Promise.all(all.map((pusher) => pusher.end()));
    await server.restart();
    await look("after a restart");
    world.note(`${kept()} lines acknowledged, each there once`);
  },
} satisfies Fault;

const mount = (...args: string[]) => spawnSync("mount", args, { stdio: "ignore" }).status;

/** A line of its own, so that an answer comes whatever the pushers do. */
function probe(loki: Loki): Promise<{ status: number; text: string }> {
  return loki.push([{ stream: { service: "probe" }, values: [[String(BigInt(Date.now()) * 1_000_000n), `probe ${Math.random()}`]] }]);
}
