// Programs that push lines by Loki's API and try again as a client does, and what must be true of their lines afterwards.
import type { Loki } from "./loki";

export type Sent = { at: bigint; line: string };

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789 ";

/** A text of `length` that hardly compresses. */
export function noise(length: number): string {
  let text = "";
  while (text.length < length) text += ALPHABET[Math.floor(Math.random() * ALPHABET.length)];
  return text;
}

/** One stream of numbered lines. Of a batch that failed it tries again until it is told that the lines are kept; of every fifth it gives up. */
export class Pusher {
  readonly acknowledged: Sent[] = [];
  /** Never acknowledged: there or not, but never twice. */
  readonly given: Sent[] = [];
  /** Answers that were neither good nor an error that a client tries again on. */
  readonly strange: string[] = [];
  retries = 0;
  private going = true;
  private seq = 0;
  private readonly began = BigInt(Date.now()) * 1_000_000n;
  private readonly done: Promise<void>;

  constructor(
    readonly loki: Loki,
    readonly name: string,
    private readonly options: { mostLines: number; mostBytes: number; restMs: number },
  ) {
    this.done = this.run();
  }

  get selector(): string {
    return `{service="${this.name}"}`;
  }
  /** The first time that a line of it may have. */
  get start(): bigint {
    return this.began;
  }

  /** Sends no further batch; resolves when the last one is kept or given up. */
  async end(): Promise<void> {
    this.going = false;
    await this.done;
  }

  /** What is wrong with the lines that are there; nothing where all is well. */
  async complaints(until = BigInt(Date.now() + 60_000) * 1_000_000n): Promise<string[]> {
    // What is acknowledged while we look is not asked for.
    const acknowledged = [...this.acknowledged];
    const times = new Map<string, number>();
    for (const { at, line } of await this.loki.all(this.selector, this.began, until)) {
      const key = `${at} ${line}`;
      times.set(key, (times.get(key) ?? 0) + 1);
    }
    const missing = acknowledged.filter(({ at, line }) => !times.has(`${at} ${line}`));
    const doubled = [...times].filter(([, count]) => count > 1);
    const complaints: string[] = [];
    const shown = (text: string) => text.slice(0, 60);
    if (missing.length > 0) complaints.push(`${this.name}: ${missing.length} of ${acknowledged.length} acknowledged lines are missing, the first ${shown(`${missing[0].at} ${missing[0].line}`)}`);
    if (doubled.length > 0) complaints.push(`${this.name}: ${doubled.length} lines are there more than once, the first ${shown(doubled[0][0])}`);
    return complaints;
  }

  private async run(): Promise<void> {
    for (let number = 0; this.going; number += 1) {
      const batch = this.batch();
      const gives = number % 5 === 4;
      for (;;) {
        const told = await this.loki.push([{ stream: { service: this.name }, values: batch.map(({ at, line }) => [String(at), line]) }]).catch(() => undefined);
        if (told?.status === 204) {
          for (const one of batch) this.acknowledged.push(one);
          break;
        }
        if (told !== undefined && told.status < 500) {
          this.strange.push(`${told.status} ${told.text.slice(0, 200)}`);
          return;
        }
        if (gives) {
          for (const one of batch) this.given.push(one);
          break;
        }
        this.retries += 1;
        await pause(20 + Math.random() * 80);
      }
      await pause(Math.random() * this.options.restMs);
    }
  }

  /** Three lines have one nanosecond, and each batch follows the last in time, with a little disorder within. */
  private batch(): Sent[] {
    const { mostLines, mostBytes } = this.options;
    const lines = 1 + Math.floor(Math.random() * mostLines);
    const batch = Array.from({ length: lines }, () => {
      const at = this.began + BigInt(Math.floor(this.seq / 3)) * 1_000n;
      return { at, line: `${this.name} seq=${(this.seq += 1)} ${noise(Math.floor(Math.random() * mostBytes))}` };
    });
    if (batch.length > 6) [batch[0], batch[5]] = [batch[5], batch[0]];
    return batch;
  }
}
