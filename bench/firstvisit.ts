// (d) What a first visit of the logs page costs: bytes over the wire with an empty cache, and the time to the first live line, from the start of
// the program and from the navigation. To be run on an idle machine.
// usage: node end2end/soak/kit/ts.cjs bench/firstvisit.ts [--short] [--visits=5]
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { waitFor } from "../end2end/console";
import type { Api } from "../end2end/soak/kit/api";
import { logsOf, type Browser, type Page } from "../end2end/soak/kit/browser";
import { flags, kb, ms, percentile, report } from "../end2end/soak/kit/figures";
import { Bench, pause } from "./world";

const { number } = flags();
const visits = number("visits", 5, 2);
const SITE = join(__dirname, "../target/site");
const NAME = "bench-visit";

Bench.run(async (bench) => {
  // Fast enough that waiting for the next line is no part of the figure.
  const container = bench.talker(NAME, 50, 50 * 3_600);
  container.go();
  const browser = await bench.browser();
  // The browser's own first start is not ours.
  await (await browser.newPage()).goto("about:blank");

  const exec = Date.now();
  const { api } = await bench.console();
  const ready = Date.now() - exec;
  await api.knows(NAME);
  const page = await bench.page(browser, api);
  const { live } = await visit(page, exec);
  report("firstvisit", "exec of `docaiche serve` → first live line in the page", ms(live), "idle machine");
  report("firstvisit", "of that: until ready and signed in", ms(ready));
  await page.context().close();

  const times: number[] = [];
  for (let at = 0; at < visits; at += 1) {
    const again = await bench.page(browser, api);
    times.push((await visit(again, Date.now())).live);
    await again.context().close();
  }
  report("firstvisit", `navigation → first live line, empty cache, p50 of ${visits}`, ms(percentile(times, 0.5)));
  await wire(bench, browser, api);
});

/** Until a line written after the navigation is in the DOM, milliseconds since `from`. */
async function visit(page: Page, from: number): Promise<{ live: number }> {
  const began = Date.now();
  await page.goto(logsOf(NAME), { waitUntil: "commit" });
  const seen = await page.waitForFunction(
    (after) => {
      for (const row of document.querySelectorAll(".log-row[data-id]")) if (Number(row.textContent?.match(/ms=(\d{13})/)?.[1]) > after) return Date.now();
      return 0;
    },
    // The container's clock ticks in hundredths.
    began + 10,
    { polling: "raf", timeout: 30_000 },
  );
  return { live: (await seen.jsonValue()) - from };
}

async function wire(bench: Bench, browser: Browser, api: Api): Promise<void> {
  const page = await bench.page(browser, api);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.enable");
  const answers = new Map<string, { url: string; encoding: string; bytes: number }>();
  let open = 0;
  devtools.on("Network.requestWillBeSent", () => (open += 1));
  devtools.on("Network.responseReceived", ({ requestId, response }) => {
    const encoding = Object.entries(response.headers).find(([name]) => name.toLowerCase() === "content-encoding")?.[1] ?? "";
    answers.set(requestId, { url: response.url, encoding, bytes: 0 });
  });
  devtools.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    open -= 1;
    const answer = answers.get(requestId);
    if (answer !== undefined) answer.bytes = encodedDataLength;
  });
  devtools.on("Network.loadingFailed", () => (open -= 1));
  await visit(page, 0);
  await pause(2_000);
  await waitFor("all answers", 10_000, () => open <= 0).catch(() => undefined);
  const all = [...answers.values()].sort((a, b) => b.bytes - a.bytes);
  for (const { url, encoding, bytes } of all) console.log(`  ${kb(bytes).padStart(10)}  ${encoding.padEnd(5)} ${url.replace(api.url, "")}`);
  const total = all.reduce((sum, { bytes }) => sum + bytes, 0);
  report("firstvisit", `bytes over the wire, ${all.length} answers, headers included`, kb(total), "≤ 450 KB", total <= 450_000);
  const modules = all.filter(({ url }) => new URL(url).pathname.endsWith(".wasm"));
  if (modules.length === 0) throw new Error("the page loaded no WASM");
  const wasm = modules.reduce((sum, { bytes }) => sum + bytes, 0);
  const packed = modules.every(({ encoding }) => encoding === "br");
  report("firstvisit", `WASM over the wire, ${modules.length} modules (${packed ? "br" : "not compressed"})`, kb(wasm), "≤ 330 KB br", packed && wasm <= 330_000);
  for (const file of files(SITE).filter((file) => file.endsWith(".wasm.br"))) report("firstvisit", `${basename(file)} as built`, kb(statSync(file).size));
  await page.context().close();
}

function files(dir: string): string[] {
  try {
    return readdirSync(dir, { recursive: true, encoding: "utf8" }).map((file) => join(dir, file));
  } catch {
    return [];
  }
}
