// Containers that write numbered lines, and what Docker says they wrote.
import { docker, runContainer, type Container, type ContainerOptions } from "../../docker";

/** A container that writes `count` lines at `rate` a second when told to (`go`), and then stays, silent. */
export function talker(name: string, rate: number, count: number, more: Partial<ContainerOptions> = {}): Container & { go(): void } {
  const wait = "while [ ! -e /tmp/go ]; do usleep 20000; done; exec sh /demo/run flood";
  const container = runContainer({ name, rate, count, stay: true, script: ["sh", "-c", wait], ...more });
  return Object.assign(container, { go: () => void container.exec("touch", "/tmp/go") });
}

/** The number in a line of `scripts/demo/flood.awk`. */
export function seqOf(message: string): number | undefined {
  const found = message.match(/\bseq=(\d+)/);
  return found === null ? undefined : Number(found[1]);
}

export function lastSeq(container: Container): number {
  return seqOf(container.logs("--tail", "1")) ?? 0;
}

/** Whether these are 1 to `count`, each once and in order; else what is wrong. */
export function seqComplaints(messages: Iterable<string>, count: number): string[] {
  const seen = new Map<number, number>();
  let before = 0;
  let disorder = 0;
  for (const message of messages) {
    const seq = seqOf(message);
    if (seq === undefined) continue;
    seen.set(seq, (seen.get(seq) ?? 0) + 1);
    if (seq < before) disorder += 1;
    before = seq;
  }
  const complaints: string[] = [];
  const missing = Array.from({ length: count }, (_, at) => at + 1).filter((seq) => !seen.has(seq));
  const doubled = [...seen].filter(([, times]) => times > 1);
  if (missing.length > 0) complaints.push(`${missing.length} of ${count} lines are missing, the first seq=${missing[0]}`);
  if (doubled.length > 0) complaints.push(`${doubled.length} lines are there more than once, the first seq=${doubled[0][0]}`);
  if (disorder > 0) complaints.push(`${disorder} lines are out of order`);
  return complaints;
}

/** What Docker has of a container, time and text of each line. */
export function written(container: Container): { at: bigint; message: string }[] {
  return docker("logs", "--timestamps", container.id)
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const space = line.indexOf(" ");
      return { at: nanoseconds(line.slice(0, space)), message: line.slice(space + 1) };
    });
}

/** Nanoseconds since the epoch of an RFC 3339 time with up to nine decimals. */
export function nanoseconds(text: string): bigint {
  const [, seconds, fraction = ""] = text.match(/^([^.]+?)(?:\.(\d+))?Z$/) ?? [];
  if (seconds === undefined) throw new Error(`not a time: ${text}`);
  return BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** The time within an entry's id: its first 16 hexadecimal digits. */
export function idTime(id: string): bigint {
  return BigInt(`0x${id.slice(0, 16)}`);
}

/** Whether paged entries are what Docker has: the same lines in the same order, each once; else what is wrong. */
export function pagingComplaints(entries: { id: string; message: string }[], truth: { at: bigint; message: string }[]): string[] {
  const complaints: string[] = [];
  if (new Set(entries.map(({ id }) => id)).size !== entries.length) complaints.push("paging repeats an id");
  if (entries.length !== truth.length) complaints.push(`paging has ${entries.length} lines, Docker ${truth.length}`);
  const wrong = truth.findIndex(({ at, message }, index) => {
    const entry = entries[index];
    return entry === undefined || idTime(entry.id) !== at || entry.message !== message;
  });
  if (wrong >= 0) complaints.push(`line ${wrong + 1} differs: ${JSON.stringify(entries[wrong]?.message)} for ${JSON.stringify(truth[wrong].message.slice(0, 200))}`);
  return complaints;
}
