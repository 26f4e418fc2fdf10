// What a fault is given, and what is asked after each.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Console, type StartOptions } from "../../console";
import { Api, PASSWORD } from "./api";
import type { Engine } from "./engine";
import { isAlive } from "./process";

export type Fault = {
  /** One sentence: what must hold. */
  holds: string;
  /** Seconds after which it has hung: short form, full size. */
  limit: [number, number];
  run: (world: World) => Promise<void>;
};

/** Thrown where the machine cannot do what a fault needs: reported, and no failure. */
export class NotHere extends Error {}

export class World {
  readonly notes: string[] = [];
  private readonly consoles: Console[] = [];
  private readonly cleanUps: (() => void | Promise<void>)[] = [];

  constructor(
    readonly short: boolean,
    readonly engine: Engine,
  ) {}

  /** A console of this fault's own, signed in. */
  async console(options: StartOptions = {}): Promise<{ console: Console; api: Api }> {
    const started = await Console.start({ password: PASSWORD, ...options });
    this.consoles.push(started);
    return { console: started, api: await Api.signIn(started) };
  }

  note(text: string): void {
    this.notes.push(text);
  }
  /** Runs at the end, however it ends; the newest first. */
  after(cleanUp: () => void | Promise<void>): void {
    this.cleanUps.push(cleanUp);
  }
  /** Fails with all complaints at once. */
  none(what: string, complaints: string[]): void {
    if (complaints.length > 0) throw new Error(`${what}: ${complaints.join("; ")}`);
  }
  ensure(so: boolean, complaint: string): void {
    if (!so) throw new Error(complaint);
  }

  /** Ends what is left, and tells of panics and deaths. */
  async end(): Promise<string[]> {
    const complaints: string[] = [];
    for (const one of this.consoles) {
      const alive = (() => {
        try {
          return isAlive(one.pid);
        } catch {
          return false;
        }
      })();
      if (!alive) complaints.push(`the console is dead: ${one.stderr().slice(-500)}`);
      const own = [join(one.logDir, "console.log"), join(one.dataDir, "console.log")].map((file) => {
        try {
          return readFileSync(file, "utf8");
        } catch {
          return "";
        }
      });
      const panic = [one.stderr(), ...own].join("\n").match(/panicked at[^]{0,300}/);
      if (panic !== null) complaints.push(`the console panicked: ${panic[0]}`);
    }
    for (const cleanUp of this.cleanUps.reverse()) await Promise.resolve().then(cleanUp).catch((error: Error) => complaints.push(error.message));
    // A panic is told of above.
    for (const one of this.consoles) await one.dispose().catch(() => undefined);
    await this.engine.clear();
    return complaints;
  }
}
