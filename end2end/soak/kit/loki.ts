// The console's door for programs: Loki's API, with a token.
import { execFileSync } from "node:child_process";
import { Agent, request } from "node:http";
import { BINARY } from "../../console";

export type Row = { at: bigint; line: string; labels: Record<string, string> };
export type Answer = { status: number; text: string; ms: number };
/** An endpoint of Loki's API, such as `query_range`, and its parameters. */
export type Params = Record<string, string | number | bigint>;

/** Loki's `max_entries_limit_per_query`. */
const PAGE = 5_000;

export class Loki {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(
    readonly url: string,
    readonly token: string,
  ) {}

  /** With a token of its own, made beside the running console. */
  static async of({ url, dataDir }: { url: string; dataDir: string }, permissions = "logs:read,logs:write"): Promise<Loki> {
    const name = `soak-${Date.now()}-${Math.round(Math.random() * 1e6)}`;
    const args = ["token", "create", "--data-dir", dataDir, "--user", "admin", "--permissions", permissions, name];
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("DOCAICHE_")));
    const said = execFileSync(BINARY, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], env });
    const token = said.match(/\bdct_[\w-]+/)?.[0];
    if (token === undefined) throw new Error(`no token in: ${said}`);
    return new Loki(url, token);
  }

  /** One request over a connection that is kept; milliseconds until the answer's last byte. Fails where the connection does. */
  async send(method: string, path: string, body?: Buffer | string, headers: Record<string, string> = {}): Promise<Answer> {
    // A kept connection may have ended with the console that had it; a question may be asked twice.
    return this.once(method, path, body, headers).catch((error: Error & { reused?: boolean }) => {
      if (method === "GET" && error.reused === true) return this.send(method, path, body, headers);
      throw error;
    });
  }

  private once(method: string, path: string, body: Buffer | string | undefined, headers: Record<string, string>): Promise<Answer> {
    return new Promise((done, fail) => {
      const began = performance.now();
      const { hostname, port } = new URL(this.url);
      const asked = request(
        { hostname, port, path, method, agent: this.agent, headers: { authorization: `Bearer ${this.token}`, ...headers } },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on("data", (part: Buffer) => parts.push(part));
          answer.on("error", fail);
          answer.on("aborted", () => fail(new Error("the answer broke off")));
          answer.on("end", () => {
            const ms = performance.now() - began;
            done({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8"), ms });
          });
        },
      );
      asked.on("error", (error) => fail(Object.assign(error, { reused: asked.reusedSocket })));
      asked.setTimeout(120_000, () => asked.destroy(new Error(`no answer in two minutes: ${method} ${path}`)));
      asked.end(body);
    });
  }

  get(endpoint: string, params: Params = {}): Promise<Answer> {
    const query = new URLSearchParams(Object.entries(params).map(([name, value]) => [name, String(value)]));
    return this.send("GET", `/loki/loki/api/v1/${endpoint}?${query}`);
  }

  /** The `data` of an answer that must be good. */
  async data<T>(endpoint: string, params: Params): Promise<T> {
    const { status, text } = await this.get(endpoint, params);
    if (status !== 200) throw new Error(`${endpoint} ${JSON.stringify(params, (_, value) => (typeof value === "bigint" ? String(value) : value))}: ${status} ${text.slice(0, 500)}`);
    return (JSON.parse(text) as { data: T }).data;
  }

  push(streams: { stream: Record<string, string>; values: [string, string][] }[]): Promise<Answer> {
    return this.send("POST", "/loki/loki/api/v1/push", JSON.stringify({ streams }), { "content-type": "application/json" });
  }

  /**
   * Every line that a selector finds from `start` on, oldest first, page by page. Lines of one nanosecond may be parted by a page's end: the
   * next page begins with that nanosecond again, so no more than a page may be of one.
   */
  async all(query: string, start: bigint, end: bigint): Promise<Row[]> {
    const rows: Row[] = [];
    let from = start;
    for (;;) {
      const { result } = await this.data<{ result: { stream: Record<string, string>; values: [string, string][] }[] }>("query_range", {
        ...{ query, start: from, end, limit: PAGE, direction: "forward" },
      });
      const page = result.flatMap(({ stream, values }) => values.map(([at, line]) => ({ at: BigInt(at), line, labels: stream })));
      page.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
      for (const row of page) rows.push(row);
      if (page.length < PAGE) return rows;
      const last = page[page.length - 1].at;
      if (last === from && page[0].at === last) throw new Error(`more than ${PAGE} lines of one nanosecond`);
      while (rows.length > 0 && rows[rows.length - 1].at === last) rows.pop();
      from = last;
    }
  }

  close(): void {
    this.agent.destroy();
  }
}
