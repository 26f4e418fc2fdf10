// Runs faults one after another, each with a console of its own, all with a Docker Engine of our own.
// usage: node end2end/soak/kit/ts.cjs end2end/soak/run.ts [--short] [FAULT...]
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { prepareDocker } from "../docker";
import { Engine } from "./kit/engine";
import { NotHere, World, type Fault } from "./kit/fault";

const ALL = readdirSync(__dirname)
  .filter((file) => file.endsWith(".ts") && file !== "run.ts")
  .map((file) => file.slice(0, -3))
  .sort();

let current: World | undefined;

async function main(): Promise<number> {
  const short = process.argv.includes("--short");
  const asked = process.argv.slice(2).filter((one) => !one.startsWith("--"));
  const unknown = asked.find((name) => !ALL.includes(name));
  if (unknown !== undefined) {
    console.error(`there is no fault ${unknown}; there are: ${ALL.join(" ")}`);
    return 2;
  }
  const engine = await Engine.start();
  const table: string[] = [];
  let failed = 0;
  // Interrupted, it still takes its engine down.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void (current?.end() ?? Promise.resolve()).then(() => engine.dispose()).then(() => process.exit(130)));
  try {
    prepareDocker();
    for (const name of asked.length > 0 ? asked : ALL) {
      // The name is one of this folder's files.
      const { default: fault } = (await import(join(__dirname, `${name}.ts`))) as { default: Fault };
      console.log(`\n== ${name}: ${fault.holds}`);
      const { result, seconds, notes } = await runOne(fault, short, engine);
      if (result === "FAILED") failed += 1;
      table.push(`${name.padEnd(10)} ${result.padEnd(8)} ${seconds.toFixed(0).padStart(4)} s  ${notes.join("; ")}`);
      console.log(table.at(-1));
    }
  } finally {
    await engine.dispose();
  }
  console.log(`\nfault      result     time  what was seen\n${table.join("\n")}\n${table.length - failed} held, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

async function runOne(fault: Fault, short: boolean, engine: Engine): Promise<{ result: string; seconds: number; notes: string[] }> {
  const world = new World(short, engine);
  current = world;
  const began = Date.now();
  const limitS = fault.limit[short ? 0 : 1];
  let result = "ok";
  let hung: NodeJS.Timeout | undefined;
  try {
    const limit = new Promise<never>((_, fail) => (hung = setTimeout(() => fail(new Error(`it was not done after ${limitS} s`)), limitS * 1000)));
    await Promise.race([fault.run(world), limit]);
  } catch (error) {
    result = error instanceof NotHere ? "not here" : "FAILED";
    world.note(error instanceof NotHere ? error.message : `FAILED: ${(error as Error).message}`);
    if (result === "FAILED") console.error((error as Error).stack);
  }
  clearTimeout(hung);
  const complaints = await world.end();
  if (complaints.length > 0) {
    result = "FAILED";
    world.notes.push(...complaints);
  }
  return { result, seconds: (Date.now() - began) / 1000, notes: world.notes };
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(error);
    process.exit(1);
  },
);
