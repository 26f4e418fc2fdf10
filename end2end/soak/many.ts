import { spawn } from "node:child_process";
import { waitFor } from "../console";
import type { Fault } from "./kit/fault";
import { rssBytes } from "./kit/process";

export default {
  holds: "300 containers: all are listed, each one's line is there, one upstream each, and all are let go when they go",
  limit: [90, 600],
  async run(world) {
    const many = world.short ? 25 : 300;
    const { console: server, api } = await world.console();
    const empty = rssBytes(server.pid);
    const names = Array.from({ length: many }, (_, at) => `many-${at + 1}`);
    // Four at a time: a daemon on two cores starts no more.
    const left = [...names];
    await Promise.all(Array.from({ length: 4 }, () => start(left)));
    const running = async () => (await api.services()).filter(({ name, status, lines }) => name.startsWith("many-") && status === "running" && lines === 1).length;
    await waitFor(`${many} services with one line each`, 60_000, async () => (await running()) === many).catch(async (error: Error) => {
      throw new Error(`${error.message}; it is ${await running()}`);
    });
    await waitFor(`${many} upstreams`, 20_000, async () => (await api.upstreams()) === many).catch(async (error: Error) => {
      throw new Error(`${error.message}; it is ${await api.upstreams()}`);
    });
    for (const name of names) {
      const lines = (await api.all(name)).map(({ message }) => message);
      world.ensure(lines.length === 1 && lines[0] === `hello from ${name}`, `${name} has ${JSON.stringify(lines)}`);
    }
    const full = rssBytes(server.pid);
    world.note(`RSS ${(empty / 1e6).toFixed(0)} → ${(full / 1e6).toFixed(0)} MB with ${many}: ${((full - empty) / many / 1e3).toFixed(0)} KB each`);
    await world.engine.clear();
    await waitFor("all upstreams to be let go", 60_000, async () => (await api.upstreams()) === 0);
  },
} satisfies Fault;

async function start(names: string[]): Promise<void> {
  for (let name = names.pop(); name !== undefined; name = names.pop()) {
    const script = `echo hello from ${name}; exec sleep 3600`;
    const child = spawn("docker", ["run", "--detach", "--name", name, "--network", "none", "docaiche-demo", "sh", "-c", script], { stdio: ["ignore", "ignore", "inherit"] });
    const code = await new Promise((done) => child.once("exit", done));
    if (code !== 0) throw new Error(`docker run ${name} failed`);
  }
}
