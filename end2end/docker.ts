// Containers for the tests: the demo image of scripts/demo.sh, on the machine's real Docker Engine.
import { execFileSync, spawnSync } from "node:child_process";
import { resolve } from "node:path";

const LABEL = "docaiche.e2e=1";
const IMAGE = "docaiche-demo";

export type ContainerOptions = {
  name: string;
  /** A script of scripts/demo by name (`json`, `flood` …), or a program: `["sh", "-c", "echo hello; sleep 60"]`. Default: `json`. */
  script?: string | string[];
  /** Lines a second, of a demo script. */
  rate?: number;
  /** Lines until a demo script ends; it then stays alive when `stay` is set. */
  count?: number;
  stay?: boolean;
  labels?: Record<string, string>;
  tty?: boolean;
  env?: Record<string, string>;
  /** Further options of `docker run`. */
  args?: string[];
};

/** A container of a test; `remove` is called for it at the test's end. */
export class Container {
  constructor(
    readonly id: string,
    readonly name: string,
  ) {}
  stop(): void {
    docker("stop", "--time", "1", this.id);
  }
  restart(): void {
    docker("restart", "--time", "1", this.id);
  }
  /** Runs a program inside, returns its stdout. */
  exec(...command: string[]): string {
    return docker("exec", this.id, ...command);
  }
  /** What Docker has of its output. */
  logs(...options: string[]): string {
    return docker("logs", ...options, this.id);
  }
  remove(): void {
    spawnSync("docker", ["rm", "--force", "--volumes", this.id], { stdio: "ignore" });
  }
}

/** Runs `docker` and returns its stdout; fails with its stderr. */
export function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "pipe"] });
}

/** Makes the image unless it is there, and removes what a broken-off run left. */
export function prepareDocker(): void {
  execFileSync(resolve(__dirname, "../scripts/demo.sh"), ["image"], { stdio: ["ignore", "ignore", "inherit"] });
  const left = docker("ps", "--all", "--quiet", "--filter", `label=${LABEL}`).split("\n").filter(Boolean);
  if (left.length > 0) docker("rm", "--force", "--volumes", ...left);
}

/** Starts a container, in place of one of the same name. */
export function runContainer(options: ContainerOptions): Container {
  const { name, script = "json", labels = {}, env = {}, args = [] } = options;
  const all = {
    ...env,
    ...(options.rate === undefined ? {} : { RATE: String(options.rate) }),
    ...(options.count === undefined ? {} : { COUNT: String(options.count) }),
    ...(options.stay ? { STAY: "1" } : {}),
  };
  spawnSync("docker", ["rm", "--force", "--volumes", name], { stdio: "ignore" });
  const id = docker(
    "run",
    ...["--detach", "--name", name, "--network", "none", "--label", LABEL],
    ...Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${value}`]),
    ...Object.entries(all).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
    ...(options.tty ? ["--tty"] : []),
    ...args,
    IMAGE,
    ...[script].flat(),
  ).trim();
  return new Container(id, name);
}
