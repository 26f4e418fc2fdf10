import { Api, login, PASSWORD } from "./kit/api";
import type { Fault } from "./kit/fault";
import { rssBytes } from "./kit/process";

export default {
  holds: "10,000 sign-ins: the throttle holds, nobody else is shut out, the console's memory stays flat",
  limit: [90, 900],
  async run(world) {
    const guesses = world.short ? 500 : 10_000;
    const guessers = world.short ? 60 : 2_000;
    const { console: server, api } = await world.console({ args: ["--trusted-proxies", "127.0.0.1/32"] });

    // One address, one account and many made-up ones.
    const flat = new Memory(server.pid);
    const one = await many(guesses, (at) => login(server.url, at % 2 === 0 ? "admin" : `nobody-${at}`, `wrong-${at}`, "198.51.100.7"), flat);
    world.note(`one address: ${shown(one)}`);
    world.none("one address", strange(one, [401, 429]));
    // 20 failures are free for an address; then waiting doubles from 5 s, so a minute lets three more through.
    world.ensure((one.get(401) ?? 0) <= 40, `${one.get(401)} guesses of ${guesses} were looked at`);
    const refused = await login(server.url, "admin", PASSWORD, "198.51.100.7");
    world.ensure(refused.status === 429 && Number(refused.headers.get("retry-after")) > 0, `the right password from there: ${refused.status}, retry-after ${refused.headers.get("retry-after")}`);

    // Every guess from an address of its own: each costs a hash.
    const spread = await many(guessers, (at) => login(server.url, `user-${at}`, "wrong", `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`), flat);
    world.note(`${guessers} addresses: ${shown(spread)}`);
    world.none("many addresses", strange(spread, [401, 429]));
    world.ensure((await api.fetch("/api/v1/auth/me")).status === 200, "the session that was there does not work any more");

    // The right password, many times.
    const made = await rightOnes(world.short ? 40 : 1_000, server.url, api, flat);
    world.note(`right ones: ${shown(made)}`);
    world.none("right ones", strange(made, [204]));
    world.note(flat.shown());
    world.ensure(flat.growth() < 24e6, `the console's memory grew: ${flat.shown()}`);
  },
} satisfies Fault;

/** A second account, for the throttle holds the first one's. */
async function rightOnes(times: number, url: string, api: Api, flat: Memory): Promise<Map<number, number>> {
  const answer = await fetch(`${url}/api/v1/users`, {
    method: "POST",
    headers: { cookie: api.cookie, "content-type": "application/json" },
    body: JSON.stringify({ username: "grace", password: PASSWORD, role: "viewer" }),
  });
  if (answer.status !== 201) throw new Error(`adding a user: ${answer.status} ${await answer.text()}`);
  return many(times, () => login(url, "grace", PASSWORD, "203.0.113.9"), flat, 4);
}

/** Memory after the first tenth of each kind, and at most since: hashing takes 19 MiB for each attempt under way. */
class Memory {
  private first = 0;
  private last = 0;
  constructor(private readonly pid: number) {}
  look(begun: boolean): void {
    const now = rssBytes(this.pid);
    if (!begun) this.first = Math.max(this.first, now);
    this.last = now;
  }
  growth(): number {
    return this.last - this.first;
  }
  shown(): string {
    return `RSS ${(this.first / 1e6).toFixed(0)} → ${(this.last / 1e6).toFixed(0)} MB`;
  }
}

/** Some at a time; how often each status came. Of one account no more than four, for what is under way counts as failed. */
async function many(times: number, attempt: (at: number) => Promise<Response>, flat: Memory, atOnce = 16): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  let next = 0;
  const one = async () => {
    while (next < times) {
      const at = next++;
      const answer = await attempt(at);
      await answer.arrayBuffer();
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (at % 50 === 0) flat.look(at > times / 10);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  flat.look(true);
  return statuses;
}

const shown = (statuses: Map<number, number>) => [...statuses].map(([status, times]) => `${times}× ${status}`).join(", ");
const strange = (statuses: Map<number, number>, allowed: number[]) => [...statuses].filter(([status]) => !allowed.includes(status)).map(([status, times]) => `${times}× ${status}`);
