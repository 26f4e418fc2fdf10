// (a) From a container's write to the row that a person sees, at 100 lines/s. The container stamps each line with the time it writes it; the
// page notes the time behind the frame in which the line's row was first in the DOM and within the window. The container's clock ticks in
// hundredths of a second, so a single value is off by up to 10 ms either way.
// usage: node end2end/soak/kit/ts.cjs bench/latency.ts [--short] [--seconds=60] [--rate=100]
import { logsOf, ROW } from "../end2end/soak/kit/browser";
import { count, flags, ms, percentile, report } from "../end2end/soak/kit/figures";
import { Bench, pause } from "./world";

type Seen = { seq: number; late: number };
declare global {
  interface Window {
    seen: Seen[];
  }
}

const { number } = flags();
const seconds = number("seconds", 60, 8);
const rate = number("rate", 100);

Bench.run(async (bench) => {
  const { api } = await bench.console();
  const lines = rate * (seconds + 3);
  const container = bench.talker("bench-latency", rate, lines);
  await api.knows("bench-latency");
  const page = await bench.page(await bench.browser(), api);
  await page.addInitScript(watchRows);
  await page.goto(logsOf("bench-latency"));
  await page.getByRole("log").waitFor();
  // Hydrated, and its socket open.
  const until = Date.now() + 15_000;
  while ((await api.stats()).viewers === 0 && Date.now() < until) await pause(100);
  await pause(1_000);
  container.go();
  await page.locator(ROW).first().waitFor({ timeout: 15_000 });
  await pause((seconds + 4) * 1_000);
  const seen = await page.evaluate(() => window.seen);
  // The first two seconds are the start's.
  const late = seen.filter(({ seq }) => seq > rate * 2 && seq <= rate * (seconds + 2)).map((one) => one.late);
  const wanted = rate * seconds;
  const [p50, p99] = [percentile(late, 0.5), percentile(late, 0.99)];
  report("latency", `stdout → visible row, p50 at ${rate} lines/s`, ms(p50), "≤ 100 ms", p50 <= 100);
  report("latency", `stdout → visible row, p99, ${seconds} s`, ms(p99), "≤ 250 ms", p99 <= 250);
  report("latency", "the slowest", ms(Math.max(...late)));
  report("latency", "lines seen of those written", `${count(late.length)} of ${count(wanted)}`, "all", late.length === wanted);
});

/** In the page. */
function watchRows(): void {
  const known = new Set<number>();
  window.seen = [];
  let waiting: { seq: number; written: number; row: Element }[] = [];
  const channel = new MessageChannel();
  // A task behind the frame: by now the frame has been painted.
  channel.port1.onmessage = () => {
    const now = Date.now();
    const still: typeof waiting = [];
    for (const one of waiting) {
      // The row may have been made anew since.
      const row = one.row.isConnected ? one.row : document.querySelector(`[data-id="${one.row.getAttribute("data-id")}"]`);
      if (row === null) continue;
      const { top, bottom, height } = row.getBoundingClientRect();
      if (height > 0 && bottom > 0 && top < innerHeight) window.seen.push({ seq: one.seq, late: now - one.written });
      else still.push(one);
    }
    waiting = still;
    if (waiting.length > 0) requestAnimationFrame(() => channel.port2.postMessage(0));
  };
  new MutationObserver((changes) => {
    let found = false;
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (!(node instanceof Element)) continue;
        const rows = node.matches(".log-row") ? [node] : [...node.querySelectorAll(".log-row")];
        for (const row of rows) {
          const [, seq, written] = row.textContent?.match(/seq=(\d+?)\s*ms=(\d{13})/) ?? [];
          if (seq === undefined || known.has(Number(seq))) continue;
          known.add(Number(seq));
          waiting.push({ seq: Number(seq), written: Number(written), row });
          found = true;
        }
      }
    }
    if (found) requestAnimationFrame(() => channel.port2.postMessage(0));
  }).observe(document, { childList: true, subtree: true });
}
