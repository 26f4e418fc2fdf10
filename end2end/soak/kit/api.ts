// The console's REST door, signed in.
import { waitFor, type Console } from "../../console";

export const PASSWORD = "correct-horse-battery";

export type Entry = { id: string; timestamp: string; service: string; level: string; message: string; cut?: number };
export type Service = { id: string; name: string; kind: string; status: string; lines: number };

export class Api {
  private constructor(
    readonly url: string,
    readonly cookie: string,
  ) {}

  static async signIn({ url }: { url: string }, username = "admin", password = PASSWORD): Promise<Api> {
    const answer = await login(url, username, password);
    if (answer.status !== 204) throw new Error(`sign-in: ${answer.status} ${await answer.text()}`);
    const cookie = answer.headers.getSetCookie().find((one) => one.startsWith("docaiche_session="));
    if (cookie === undefined) throw new Error("the sign-in set no cookie");
    return new Api(url, cookie.split(";")[0]);
  }

  fetch(path: string): Promise<Response> {
    return fetch(this.url + path, { headers: { cookie: this.cookie } });
  }

  async json<T>(path: string): Promise<T> {
    const answer = await this.fetch(path);
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${(await answer.text()).slice(0, 500)}`);
    return (await answer.json()) as T;
  }

  async services(): Promise<Service[]> {
    return (await this.json<{ services: Service[] }>("/api/v1/logs/services")).services;
  }

  /** Waits until the console lists a service. */
  async knows(name: string, limitMs = 15_000): Promise<void> {
    await waitFor(`the service ${name}`, limitMs, async () => (await this.services()).some((service) => service.name === name));
  }

  stats(): Promise<Record<"services" | "lines" | "viewers" | "sockets" | "lines_skipped", number>> {
    return this.json("/api/v1/stats");
  }

  /** How a part of the console says that it is. */
  async part(name: string): Promise<{ state: "ok" | "degraded" | "down" | "absent"; detail: string }> {
    const { parts } = await this.json<{ parts: { name: string; state: "ok" | "degraded" | "down" | "absent"; detail: string }[] }>("/api/v1/health");
    const found = parts.find((part) => part.name === name);
    if (found === undefined) throw new Error(`health names no ${name}: ${parts.map((part) => part.name).join(", ")}`);
    return found;
  }

  /** A gauge or counter of the console's own metrics, without labels. */
  async metric(name: string): Promise<number> {
    const text = await (await this.fetch("/metrics")).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    if (line === undefined) throw new Error(`/metrics has no ${name}`);
    return Number(line.split(" ")[1]);
  }
  /** Log streams that the console follows. */
  upstreams(): Promise<number> {
    return this.metric("docaiche_collector_upstreams");
  }

  /** Every line of a service that the console can page to, oldest first, and how long each page took in milliseconds. */
  async all(service: string, limit = 5_000, onPage: (ms: number) => void = () => undefined): Promise<Entry[]> {
    const entries: Entry[] = [];
    let cursor = "";
    for (;;) {
      const began = performance.now();
      const query = `direction=forward&limit=${limit}${cursor === "" ? "" : `&cursor=${cursor}`}`;
      const page = await this.json<{ logs: Entry[]; next_cursor: string | null; has_more: boolean; warnings: { detail: string }[] }>(
        `/api/v1/logs/${encodeURIComponent(service)}?${query}`,
      );
      onPage(performance.now() - began);
      if (page.warnings.length > 0) throw new Error(`a page came with a warning: ${page.warnings[0].detail}`);
      entries.push(...page.logs);
      if (!page.has_more || page.next_cursor === null) return entries;
      cursor = page.next_cursor;
    }
  }
}

/** One attempt to sign in, as if from `forwardedFor` where the console trusts us as a proxy. */
export function login(url: string, username: string, password: string, forwardedFor?: string): Promise<Response> {
  return fetch(`${url}/api/v1/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(forwardedFor === undefined ? {} : { "x-forwarded-for": forwardedFor }) },
    body: JSON.stringify({ username, password }),
  });
}
