// What the kernel says of a process: memory and processor time.
import { readFileSync } from "node:fs";

/** Resident memory in bytes (`VmRSS`, proc(5)). */
export function rssBytes(pid: number): number {
  const found = readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB/m);
  if (found === null) throw new Error(`process ${pid} has no VmRSS`);
  return Number(found[1]) * 1024;
}

/** Processor time used so far in seconds: utime and stime in ticks of 1/100 s, fields 14 and 15 of `stat` (proc(5)). */
export function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is a name in brackets that may hold spaces.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export type Sample = { seconds: number; bytes: number };

/** Asks each `everyMs` until stopped; what fails to answer (the process ended) is left out. */
export class Sampler {
  readonly samples: Sample[] = [];
  private readonly began = Date.now();
  private readonly timer: NodeJS.Timeout;

  constructor(everyMs: number, ask: () => number | Promise<number>) {
    const once = async () => {
      const seconds = (Date.now() - this.began) / 1000;
      await Promise.resolve()
        .then(ask)
        .then((bytes) => this.samples.push({ seconds, bytes }))
        .catch(() => undefined);
    };
    this.timer = setInterval(once, everyMs);
    void once();
  }
  stop(): Sample[] {
    clearInterval(this.timer);
    return this.samples;
  }
}

/** The growth from the `width` seconds after `from` to the last `width` seconds, of their means, in bytes; and the slope in bytes a minute. */
export function growth(samples: Sample[], from: number, width = 10): { bytes: number; share: number; bytesPerMinute: number } {
  const later = samples.filter((sample) => sample.seconds >= from);
  const end = later.at(-1)?.seconds ?? from;
  const mean = (some: Sample[]) => some.reduce((sum, sample) => sum + sample.bytes, 0) / Math.max(some.length, 1);
  const first = mean(later.filter((sample) => sample.seconds <= from + width));
  const last = mean(later.filter((sample) => sample.seconds >= end - width));
  const at = mean(later.map(({ seconds }) => ({ seconds, bytes: seconds })));
  const bytes = mean(later);
  const above = later.reduce((sum, sample) => sum + (sample.seconds - at) * (sample.bytes - bytes), 0);
  const below = later.reduce((sum, sample) => sum + (sample.seconds - at) ** 2, 0);
  return { bytes: last - first, share: first > 0 ? (last - first) / first : 0, bytesPerMinute: below > 0 ? (above / below) * 60 : 0 };
}
