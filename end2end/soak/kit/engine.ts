// A Docker Engine of our own in a temporary folder: it may be stopped, filled and killed without harm to the machine's.
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitFor } from "../../console";

export class Engine {
  readonly host: string;
  private daemon: ChildProcess | undefined;

  private constructor(private readonly root: string) {
    this.host = `unix://${join(root, "sock")}`;
  }

  /** Starts one and makes it the engine of this process and of every console it starts (`DOCKER_HOST`). Needs root. */
  static async start(): Promise<Engine> {
    if (process.getuid?.() !== 0) throw new Error("an engine of our own needs root");
    const engine = new Engine(mkdtempSync(join(tmpdir(), "docaiche-engine-")));
    // Not the machine's configuration.
    writeFileSync(join(engine.root, "daemon.json"), "{}");
    process.env.DOCKER_HOST = engine.host;
    await engine.up();
    return engine;
  }

  /** Containers live on while the daemon is down (`--live-restore`), and go on writing until their pipe is full. */
  async up(): Promise<void> {
    // It gives its containerd 15 seconds, which on a loaded machine can be too few: that is no fault of the console's.
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.launch();
      } catch (error) {
        if (tries === 4 || !String(error).includes("timeout waiting for containerd")) throw error;
      }
    }
  }

  private async launch(): Promise<void> {
    const log = openSync(join(this.root, "log"), "a");
    const at = (name: string) => join(this.root, name);
    const daemon = spawn(
      // A network of its own: an engine without a bridge removes docker0 where it finds it, and that one is the machine's engine's.
      "unshare",
      [
        ...["--net", "dockerd"],
        ...["--config-file", at("daemon.json"), "--data-root", at("data"), "--exec-root", at("exec"), "--pidfile", at("pid")],
        ...["--host", this.host, "--bridge=none", "--iptables=false", "--ip6tables=false", "--live-restore"],
        // Where the machine's containerd is found it is used, and there these keep our containers apart.
        ...["--containerd-namespace=docaiche-soak", "--containerd-plugins-namespace=docaiche-soak-plugins"],
      ],
      // A group of its own: an interrupt at the keyboard must not end it before its containers are removed.
      { stdio: ["ignore", log, log], detached: true },
    );
    this.daemon = daemon;
    await waitFor("the engine to answer", 60_000, () => {
      if (daemon.exitCode !== null) throw new Error(`dockerd ended (${daemon.exitCode}):\n${this.log().slice(-2000)}`);
      return spawnSync("docker", ["version"], { stdio: "ignore" }).status === 0;
    });
  }

  /** Ends the daemon, politely or not; its containers go on. */
  async down(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const daemon = this.daemon;
    this.daemon = undefined;
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = new Promise<void>((done) => daemon.once("exit", () => done()));
    daemon.kill(signal);
    await ended;
    if (signal === "SIGKILL") rmSync(join(this.root, "pid"), { force: true });
  }

  /** The file Docker's `json-file` driver keeps of a container's output. */
  logFile(id: string): string {
    return join(this.root, "data", "containers", id, `${id}-json.log`);
  }

  /** Removes every container; those of other engines are not seen from here. Others may speak meanwhile: hundreds take a minute. */
  async clear(): Promise<void> {
    const ids = execFileSync("docker", ["ps", "--all", "--quiet"], { encoding: "utf8" }).split("\n").filter(Boolean);
    for (let at = 0; at < ids.length; at += 50) {
      const removing = spawn("docker", ["rm", "--force", "--volumes", ...ids.slice(at, at + 50)], { stdio: "ignore" });
      await new Promise((done) => removing.once("exit", done));
    }
  }

  async dispose(): Promise<void> {
    if (this.daemon === undefined) await this.up();
    await this.clear();
    await this.down();
    // A daemon that was killed leaves its containerd behind.
    try {
      process.kill(Number(readFileSync(join(this.root, "exec/containerd/containerd.pid"), "utf8")), "SIGTERM");
    } catch {
      // It is gone already.
    }
    // What it had mounted stays as well, the data folder on itself among it; the deepest first.
    const mounts = readFileSync("/proc/mounts", "utf8").split("\n").map((line) => line.split(" ")[1] ?? "");
    for (const mount of mounts.filter((path) => path.startsWith(`${this.root}/`)).sort().reverse()) spawnSync("umount", ["--lazy", mount]);
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  private log(): string {
    return readFileSync(join(this.root, "log"), "utf8");
  }
}
