// Numbers, how they are shown, and where a bench leaves them for the table.
import { appendFileSync } from "node:fs";

export type Figure = {
  bench: string;
  name: string;
  value: string;
  /** What the value is held against; unset where there is no limit to keep. */
  limit?: string;
  ok?: boolean;
};

/** Prints a figure, and adds it as a line of JSON to the file named by `BENCH_FIGURES`. */
export function report(bench: string, name: string, value: string, limit?: string, ok?: boolean): void {
  const figure: Figure = { bench, name, value, limit, ok };
  const verdict = ok === undefined ? "" : ok ? "  ok" : "  MISSED";
  console.log(`${bench.padEnd(10)} ${name.padEnd(52)} ${value.padStart(22)}${limit === undefined ? "" : `   (${limit})`}${verdict}`);
  if (process.env.BENCH_FIGURES) appendFileSync(process.env.BENCH_FIGURES, `${JSON.stringify(figure)}\n`);
  if (ok === false) process.exitCode = 1;
}

/** The value that `share` of all do not exceed (nearest rank). */
export function percentile(values: number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

export const ms = (value: number) => `${value.toFixed(value < 100 ? 1 : 0)} ms`;
export const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
export const kb = (bytes: number) => `${(bytes / 1e3).toFixed(1)} KB`;
export const count = (value: number) => value.toLocaleString("en-US");

/** `--short` and `--name=value` of the command line; numbers only. */
export function flags(): { short: boolean; number: (name: string, full: number, short?: number) => number } {
  const given = process.argv.slice(2);
  const short = given.includes("--short");
  return {
    short,
    number: (name, full, brief = full) => {
      const text = given.find((one) => one.startsWith(`--${name}=`))?.split("=")[1];
      const value = text === undefined ? (short ? brief : full) : Number(text);
      if (!Number.isFinite(value)) throw new Error(`--${name} is a number`);
      return value;
    },
  };
}
