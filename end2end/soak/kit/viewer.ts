// A viewer without a browser: the logs socket, and an account of every line it was sent or told it was not.
import WebSocket from "ws";
import { waitFor } from "../../console";
import type { Api, Entry } from "./api";

export type Gap = { dropped: number; from: string | null; to: string | null };
type ServerMsg =
  | { type: "logs"; entries: Entry[] }
  | ({ type: "gap" } & Gap)
  | { type: "state"; state: "live" | "reconnecting" | "ended" }
  | { type: "error"; code: string; detail: string };

/** What came, over all connections. Takes frames of any viewer: a browser's too. */
export class Account {
  /** By id, in the order of arrival. */
  readonly lines = new Map<string, string>();
  readonly doubled: string[] = [];
  readonly gaps: Gap[] = [];
  readonly states: string[] = [];
  readonly errors: string[] = [];

  take(text: string): void {
    const msg = JSON.parse(text) as ServerMsg;
    switch (msg.type) {
      case "logs":
        for (const { id, message } of msg.entries) {
          if (this.lines.has(id)) this.doubled.push(id);
          else this.lines.set(id, message);
        }
        break;
      case "gap":
        this.gaps.push({ dropped: msg.dropped, from: msg.from, to: msg.to });
        break;
      case "state":
        this.states.push(msg.state);
        break;
      case "error":
        this.errors.push(`${msg.code}: ${msg.detail}`);
    }
  }

  get dropped(): number {
    return this.gaps.reduce((sum, gap) => sum + gap.dropped, 0);
  }
  /** Lines received and lines told of. */
  get accounted(): number {
    return this.lines.size + this.dropped;
  }
  newest(): string | undefined {
    let newest: string | undefined;
    for (const id of this.lines.keys()) if (newest === undefined || id > newest) newest = id;
    for (const { to } of this.gaps) if (to !== null && (newest === undefined || to > newest)) newest = to;
    return newest;
  }
  private covers(id: string): boolean {
    return this.gaps.some(({ from, to }) => (from === null || from <= id) && (to === null || id <= to));
  }

  /**
   * Holds the account against what is true: `truth` in order, as Docker or a full paging has it. Says what is wrong, nothing where all is well:
   * each line came once, or lies in a gap; as many lie in gaps as gaps told; nothing came that was never written.
   */
  complaints(truth: { id: string; message: string }[]): string[] {
    const complaints: string[] = [];
    const known = new Set(truth.map(({ id }) => id));
    const missing = truth.filter(({ id }) => !this.lines.has(id));
    const lost = missing.filter(({ id }) => !this.covers(id));
    const invented = [...this.lines.keys()].filter((id) => !known.has(id));
    const first = (some: { id: string; message: string }[]) => `${some[0].id} ${JSON.stringify(some[0].message.slice(0, 80))}`;
    if (this.doubled.length > 0) complaints.push(`${this.doubled.length} lines came twice, the first ${this.doubled[0]}`);
    if (lost.length > 0) complaints.push(`${lost.length} of ${truth.length} lines neither came nor lie in a gap, the first ${first(lost)}`);
    if (invented.length > 0) complaints.push(`${invented.length} lines came that were not written, the first ${invented[0]}`);
    if (missing.length !== this.dropped) complaints.push(`gaps tell of ${this.dropped} lines, ${missing.length} are missing`);
    return complaints;
  }
}

export class Viewer {
  /** The newest close code; 1006 where the other end just went. */
  closed: number | undefined;
  private socket: WebSocket | undefined;
  private ending = false;

  private constructor(
    private readonly api: Api,
    private readonly path: string,
    readonly account: Account,
    private readonly comesBack: boolean,
  ) {}

  /** Watches a service: `tail` lines of history first. One that `comesBack` reconnects behind the newest line it was told of. */
  static async watch(api: Api, service: string, options: { tail?: number; comesBack?: boolean } = {}): Promise<Viewer> {
    const viewer = new Viewer(api, `/ws/logs/${encodeURIComponent(service)}`, new Account(), options.comesBack ?? false);
    await viewer.open(`tail=${options.tail ?? 0}`);
    return viewer;
  }

  get isOpen(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Waits until so many lines are accounted for. */
  async until(lines: number, limitMs: number): Promise<void> {
    await waitFor(`${lines} lines accounted for`, limitMs, () => this.account.accounted >= lines).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${this.account.lines.size} received and ${this.account.dropped} in gaps`);
    });
  }

  /** Stops reading from the network: the kernel's buffers fill, then the console's. */
  stopReading(): void {
    this.socket?.pause();
  }

  end(): void {
    this.ending = true;
    this.socket?.terminate();
  }

  private async open(query: string): Promise<void> {
    const { url, cookie } = this.api;
    const socket = new WebSocket(`${url.replace("http", "ws")}${this.path}?${query}`, { headers: { cookie }, origin: url, perMessageDeflate: false });
    this.socket = socket;
    socket.on("message", (data) => this.account.take(data.toString()));
    socket.on("close", (code) => {
      this.closed = code;
      if (this.comesBack && !this.ending) setTimeout(() => void this.again(), 200);
    });
    await new Promise<void>((done, fail) => {
      socket.once("open", () => done());
      // Later errors end in `close`.
      socket.on("error", (error) => fail(new Error(`the socket ${this.path}?${query}: ${error.message}`)));
    });
  }

  private async again(): Promise<void> {
    if (this.ending) return;
    const newest = this.account.newest();
    // A refused connection ends in `close` as well, which tries again.
    await this.open(newest === undefined ? "tail=5000" : `after=${newest}`).catch(() => undefined);
  }
}
