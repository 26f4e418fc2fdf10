import type { Fault } from "./kit/fault";
import { Loki } from "./kit/loki";
import { Pusher } from "./kit/pusher";

export default {
  holds: "the console killed (-9) at random moments under ingest, at its start too: every acknowledged line is there exactly once, others at most once",
  limit: [90, 2_400],
  async run(world) {
    const [kills, every, pushers] = world.short ? [5, 5, 3] : [200, 20, 5];
    const { console: server } = await world.console();
    const loki = await Loki.of(server);
    world.after(() => loki.close());
    const options = { mostLines: 200, mostBytes: 400, restMs: 30 };
    const all = Array.from({ length: pushers }, (_, at) => new Pusher(loki, `pusher-${at}`, options));
    const look = async () => {
      console.log(`${killed} kills, ${all.reduce((sum, pusher) => sum + pusher.acknowledged.length, 0)} lines acknowledged`);
      for (const pusher of all) world.none(`after ${killed} kills`, [...(await pusher.complaints()), ...pusher.strange]);
    };
    let killed = 0;
    let early = 0;
    let nextLook = every;
    while (killed < kills) {
      await new Promise((next) => setTimeout(next, 50 + Math.random() * 900));
      await server.end("SIGKILL");
      killed += 1;
      // Now and then again while it starts, reads its log and seals.
      while (killed < kills && Math.random() < 0.3) {
        const starting = server.restart().catch(() => undefined);
        await new Promise((next) => setTimeout(next, 5 + Math.random() * 400));
        await server.end("SIGKILL");
        await starting;
        killed += 1;
        early += 1;
      }
      await server.restart();
      if (killed < nextLook) continue;
      await look();
      nextLook += every;
    }
    await Promise.all(all.map((pusher) => pusher.end()));
    await look();
    const sum = (of: (pusher: Pusher) => number) => all.reduce((total, pusher) => total + of(pusher), 0);
    const acknowledged = sum((pusher) => pusher.acknowledged.length);
    world.ensure(acknowledged > kills * 20, `only ${acknowledged} lines were acknowledged`);
    world.note(`killed ${killed} times, ${early} of them before it was ready; ${acknowledged} lines acknowledged, each there once; ${sum((pusher) => pusher.given.length)} given up, none there twice; ${sum((pusher) => pusher.retries)} pushes tried again`);
    // Once more as the next owner of the data would find it.
    await server.restart();
    await look();
  },
} satisfies Fault;
