// (b) 5,000 lines/s for a minute, watched twice: once for how the page fares, with nothing else attached; once for the account of every line,
// with the browser's own record of the frames its socket received (which costs the page time, so frames are not measured there).
// usage: node end2end/soak/kit/ts.cjs bench/flood.ts [--short] [--seconds=60] [--rate=5000]
import { waitFor, type Console } from "../end2end/console";
import type { Api } from "../end2end/soak/kit/api";
import { logsOf, rendererPid, ROW, type Browser, type Page } from "../end2end/soak/kit/browser";
import { count, flags, mb, ms, percentile, report } from "../end2end/soak/kit/figures";
import { growth, rssBytes, Sampler } from "../end2end/soak/kit/process";
import { lastSeq } from "../end2end/soak/kit/talk";
import { Account } from "../end2end/soak/kit/viewer";
import { Bench, pause } from "./world";

declare global {
  interface Window {
    frameTimes: number[];
  }
}

const { number, short } = flags();
const seconds = number("seconds", 60, 12);
const rate = number("rate", 5_000);
/** "Flat after the first 20 s": the mean of the last ten seconds is at most a tenth above that of the ten seconds behind the 20th. */
const settleS = short ? 5 : 20;
const widthS = short ? 3 : 10;

Bench.run(async (bench) => {
  const { console: server, api } = await bench.console();
  const browser = await bench.browser();
  await watched(bench, server, api, browser);
  await accounted(bench, api, browser);
});

async function open(bench: Bench, api: Api, browser: Browser, name: string): Promise<Page> {
  await api.knows(name);
  const page = await bench.page(browser, api);
  await page.addInitScript(() => {
    window.frameTimes = [];
    let before = 0;
    const frame = (now: number) => {
      if (before > 0) window.frameTimes.push(now - before);
      before = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  await page.goto(logsOf(name));
  await page.getByRole("log").waitFor();
  return page;
}

async function watched(bench: Bench, server: Console, api: Api, browser: Browser): Promise<void> {
  const container = bench.talker("bench-flood", rate, rate * seconds);
  const page = await open(bench, api, browser, "bench-flood");
  await waitFor("the page's socket", 15_000, async () => (await api.stats()).viewers > 0);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
  const heap = async () => (await devtools.send("Performance.getMetrics")).metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? Number.NaN;
  const renderer = await rendererPid(browser, rssBytes);
  container.go();
  await page.locator(ROW).first().waitFor({ timeout: 15_000 });
  await page.evaluate(() => (window.frameTimes = []));
  const samplers = { heap: new Sampler(2_000, heap), browser: new Sampler(2_000, () => rssBytes(renderer)), server: new Sampler(2_000, () => rssBytes(server.pid)) };
  await pause(seconds * 1_000);
  const frames = await page.evaluate(() => window.frameTimes);
  const p95 = percentile(frames, 0.95);
  report("flood", `frames p95 at ${count(rate)} lines/s, ${seconds} s`, ms(p95), "≤ 33 ms", p95 <= 33);
  report("flood", "frames p50, p99, slowest", `${ms(percentile(frames, 0.5))}, ${ms(percentile(frames, 0.99))}, ${ms(Math.max(...frames))}`);
  for (const [what, sampler] of [["page process RSS", samplers.browser], ["page JS heap", samplers.heap], ["server RSS", samplers.server]] as const) {
    const samples = sampler.stop();
    const { bytes, share, bytesPerMinute } = growth(samples, settleS, widthS);
    const most = Math.max(...samples.map((sample) => sample.bytes));
    // A heap is a saw: its figure is for reading; what the process takes is what must be flat.
    const held = what === "page JS heap" ? undefined : share <= 0.1;
    report("flood", `${what}, growth after ${settleS} s`, `${mb(bytes)} (${(share * 100).toFixed(1)} %)`, held === undefined ? undefined : "flat: ≤ 10 %", held);
    report("flood", `${what}, highest; slope`, `${mb(most)}; ${mb(bytesPerMinute)}/min`);
  }
  await page.context().close();
  container.remove();
}

async function accounted(bench: Bench, api: Api, browser: Browser): Promise<void> {
  const lines = rate * seconds;
  const container = bench.talker("bench-account", rate, lines);
  await api.knows("bench-account");
  const page = await bench.page(browser, api);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.enable");
  const account = new Account();
  devtools.on("Network.webSocketFrameReceived", ({ response }) => {
    // Opcode 1 is text (RFC 6455 §5.2).
    if (response.opcode === 1) account.take(response.payloadData);
  });
  await page.goto(logsOf("bench-account"));
  await waitFor("the page's socket", 15_000, async () => (await api.stats()).viewers > 0);
  container.go();
  await waitFor("the container to be done", seconds * 3_000, () => lastSeq(container) === lines);
  // What is accounted for must reach the number of lines, and stay there.
  await waitFor("the last frames", 30_000, () => account.accounted >= lines).catch(() => undefined);
  await pause(2_000);
  report("flood", "lines received + told of in gaps", `${count(account.lines.size)} + ${count(account.dropped)}`, `= ${count(lines)}`, account.accounted === lines);
  report("flood", "lines that came twice", count(account.doubled.length), "0", account.doubled.length === 0);
  if (account.dropped > 0) {
    const complaints = account.complaints(await api.all("bench-account"));
    report("flood", "missing lines outside the gaps' ends", complaints.length === 0 ? "none" : complaints.join("; "), "none", complaints.length === 0);
  }
  await page.context().close();
}
