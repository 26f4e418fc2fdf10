// The program under test as a process of its own: started on a free port with folders of its own, watched, ended.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const BINARY = process.env.DOCAICHE_BINARY ?? resolve(__dirname, "../target/release/docaiche");

export type StartOptions = {
  /** Of the user `admin`; unset, the console prints a set-up link. */
  password?: string;
  /** Further environment, e.g. `{ DOCAICHE_DOCKER_HOST: "unix:///nowhere" }`. */
  env?: Record<string, string>;
  /** Further arguments after `serve`. */
  args?: string[];
};

export class Console {
  readonly url: string;
  readonly dataDir: string;
  /** `*.log` files written here appear as services. */
  readonly logDir: string;
  private child: ChildProcess | undefined;
  private written = { stdout: "", stderr: "" };

  private constructor(
    readonly port: number,
    private readonly root: string,
    private readonly options: StartOptions,
  ) {
    this.url = `http://localhost:${port}`;
    this.dataDir = join(root, "data");
    this.logDir = join(root, "logs");
    mkdirSync(this.logDir);
  }

  /** Starts a console and waits until it is ready. */
  static async start(options: StartOptions = {}): Promise<Console> {
    const started = new Console(await freePort(), mkdtempSync(join(tmpdir(), "docaiche-e2e-")), options);
    await started.launch();
    return started;
  }

  get pid(): number {
    if (this.child?.pid === undefined) throw new Error("the console is not running");
    return this.child.pid;
  }

  /** Everything written so far, over all restarts. */
  stdout(): string {
    return this.written.stdout;
  }
  stderr(): string {
    return this.written.stderr;
  }

  /** The link of a first start without a password: the newest one printed. */
  setupUrl(): string {
    const links = this.written.stdout.match(/https?:\/\/\S*\/setup\?token=[\w.~%-]+/g);
    const link = links?.at(-1);
    if (link === undefined) throw new Error(`no set-up link on stdout:\n${this.written.stdout}\n${this.written.stderr}`);
    return link;
  }

  /** Ends the process and starts it again on the same port and data. */
  async restart(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.end(signal);
    await this.launch();
  }

  /** Ends the process; the data stays. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.child;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((done) => child.once("exit", () => done()));
    child.kill(signal);
    const tooLong = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await ended;
    clearTimeout(tooLong);
  }

  /** Ends the process and removes its folders. Fails when it panicked at any time. */
  async dispose(): Promise<void> {
    await this.end();
    rmSync(this.root, { recursive: true, force: true });
    const panic = this.written.stderr.match(/panicked at[^]{0,500}/);
    if (panic !== null) throw new Error(`the console panicked:\n${panic[0]}`);
  }

  private async launch(): Promise<void> {
    const { password, env = {}, args = [] } = this.options;
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("DOCAICHE_"));
    const child = spawn(
      BINARY,
      ["serve", "--listen", `127.0.0.1:${this.port}`, "--data-dir", this.dataDir, "--log-dir", this.logDir, ...args],
      {
        env: { ...Object.fromEntries(inherited), ...(password === undefined ? {} : { DOCAICHE_ADMIN_PASSWORD: password }), ...env },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    this.child = child;
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.written.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.written.stderr += text));
    let failure: string | undefined;
    child.once("error", (error) => (failure = `cannot start ${BINARY}: ${error.message}`));
    child.once("exit", (code, signal) => (failure ??= `the console ended at once (${code ?? signal})`));
    await waitFor("the console to be ready", 30_000, async () => {
      if (failure !== undefined) throw new Error(`${failure}\n${this.written.stderr.slice(-4000)}`);
      return fetch(`${this.url}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      );
    });
  }
}

/** Asks until the answer is true; an error from `ask` ends the wait at once. */
export async function waitFor(what: string, limitMs: number, ask: () => Promise<boolean> | boolean): Promise<void> {
  const until = Date.now() + limitMs;
  while (!(await ask())) {
    if (Date.now() > until) throw new Error(`waited ${limitMs} ms for ${what}`);
    await new Promise((next) => setTimeout(next, 50));
  }
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}
