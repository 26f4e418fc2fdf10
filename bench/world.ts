// What every bench begins with: a Docker Engine of its own where we may start one (as root), else the machine's; a console of its own; and an end
// that removes what it started.
import { Console, type StartOptions } from "../end2end/console";
import { prepareDocker, type Container } from "../end2end/docker";
import { Engine } from "../end2end/soak/kit/engine";
import { Api, PASSWORD } from "../end2end/soak/kit/api";
import { launch, visit, type Browser, type Page } from "../end2end/soak/kit/browser";
import { talker } from "../end2end/soak/kit/talk";

export class Bench {
  private readonly ends: (() => unknown)[] = [];

  /** Runs a bench and ends the process with 1 where it fails or misses a limit. */
  static run(body: (bench: Bench) => Promise<void>): void {
    const bench = new Bench();
    const go = async () => {
      // Other containers of the machine would be followed as well, and tests that run meanwhile remove what is not theirs.
      if (process.getuid?.() === 0) {
        const engine = await Engine.start();
        bench.ends.push(() => engine.dispose());
      }
      prepareDocker();
      await body(bench);
    };
    // Interrupted, it still removes what it started.
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void bench.end().then(() => process.exit(130)));
    void go()
      .catch((error: Error) => {
        console.error(error);
        process.exitCode = 1;
      })
      .then(() => bench.end())
      .then(() => process.exit());
  }

  async console(options: StartOptions = {}): Promise<{ console: Console; api: Api }> {
    const started = await Console.start({ password: PASSWORD, ...options });
    this.ends.push(() => started.dispose());
    return { console: started, api: await Api.signIn(started) };
  }
  /** A container that waits for `go`, then writes `count` lines, `rate` a second. */
  talker(name: string, rate: number, count: number): Container & { go(): void } {
    const container = talker(name, rate, count);
    this.ends.push(() => container.remove());
    return container;
  }
  async browser(...args: string[]): Promise<Browser> {
    const browser = await launch(...args);
    this.ends.push(() => browser.close());
    return browser;
  }
  /** A page in an empty window, signed in; what it complains of fails the bench at the end. */
  async page(browser: Browser, api: Api): Promise<Page> {
    const { page, complaints } = await visit(browser, api);
    this.ends.push(() => {
      if (complaints.length > 0) throw new Error(`the browser complained: ${complaints.join("; ")}`);
    });
    return page;
  }
  after(end: () => unknown): void {
    this.ends.push(end);
  }

  private async end(): Promise<void> {
    for (const end of this.ends.reverse()) {
      await Promise.resolve()
        .then(end)
        .catch((error: Error) => {
          console.error(error.message);
          process.exitCode = 1;
        });
    }
  }
}

export const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
