// (c) 100,000 lines of scrollback: all are loaded by going to the top again and again, then the list is scrolled by wheel and in jumps. In each
// frame the rows in the DOM must cover the list's window: a strip of more than a row's height without one is a blank.
// usage: node end2end/soak/kit/ts.cjs bench/scrollback.ts [--short] [--lines=100000]
import { waitFor } from "../end2end/console";
import { logsOf, rendererPid, ROW, type Page } from "../end2end/soak/kit/browser";
import { count, flags, mb, ms, percentile, report } from "../end2end/soak/kit/figures";
import { rssBytes } from "../end2end/soak/kit/process";
import { lastSeq } from "../end2end/soak/kit/talk";
import { Bench, pause } from "./world";

type Watch = { frames: number; blank: number; worst: number; intervals: number[]; on: boolean };
declare global {
  interface Window {
    watch: Watch;
    scroller: () => HTMLElement;
    /** Scrolls to a share of the height. */
    jump: (share: number) => void;
  }
}

const { number } = flags();
const lines = number("lines", 100_000, 10_000);

Bench.run(async (bench) => {
  const { console: server, api } = await bench.console();
  const container = bench.talker("bench-scroll", 20_000, lines);
  container.go();
  await waitFor("the container to be done", 120_000, () => lastSeq(container) === lines);
  await waitFor("the console to have collected them", 60_000, async () => (await api.services()).some((service) => service.name === "bench-scroll" && service.lines >= lines));
  const pages: number[] = [];
  const all = await api.all("bench-scroll", 1_000, (took) => pages.push(took));
  report("scrollback", "REST page of 1,000 lines, p50, slowest", `${ms(percentile(pages, 0.5))}, ${ms(Math.max(...pages))}`);
  if (all.length !== lines) throw new Error(`paging has ${all.length} lines`);

  const browser = await bench.browser();
  const page = await bench.page(browser, api);
  await page.addInitScript(install);
  await page.goto(logsOf("bench-scroll"));
  await page.locator(ROW).first().waitFor({ timeout: 15_000 });
  await pause(1_000);

  const began = Date.now();
  const loads: number[] = [];
  const top = () => page.locator(ROW).first().textContent();
  while (!/seq=1\D/.test((await top()) ?? "")) {
    if (Date.now() - began > 600_000) throw new Error(`after ten minutes the first row is ${await top()}`);
    const before = await page.evaluate(() => {
      const scroller = window.scroller();
      scroller.scrollTop = 0;
      return scroller.scrollHeight;
    });
    const asked = Date.now();
    // More lines stand above, or the first one is shown.
    await page
      .waitForFunction(
        (height) => {
          const first = document.querySelector(".log-row[data-id]")?.textContent ?? "";
          return window.scroller().scrollHeight > height || /seq=1\D/.test(first);
        },
        before,
        { polling: "raf", timeout: 20_000 },
      )
      .catch(async () => {
        throw new Error(`no older lines within 20 s; the first row is ${await top()}`);
      });
    loads.push(Date.now() - asked);
  }
  report("scrollback", `all ${count(lines)} lines loaded by scrolling to the top`, `${((Date.now() - began) / 1000).toFixed(1)} s`);
  report("scrollback", "one load, p50, slowest", `${ms(percentile(loads, 0.5))}, ${ms(Math.max(...loads))}`);
  report("scrollback", "page process RSS with all loaded", mb(rssBytes(await rendererPid(browser, rssBytes))));
  report("scrollback", "rows in the DOM", count(await page.locator(".log-row").count()));
  report("scrollback", "server RSS", mb(rssBytes(server.pid)));

  await page.evaluate(() => (window.watch.on = true));
  await scroll(page);
  const { frames, blank, worst, intervals } = await page.evaluate(() => {
    window.watch.on = false;
    return window.watch;
  });
  report("scrollback", `frames with a blank, of ${count(frames)}`, `${blank}${blank > 0 ? ` (up to ${worst} px)` : ""}`, "0", blank === 0);
  report("scrollback", "frames while scrolling, p95", ms(percentile(intervals, 0.95)));
  await painted(page);
});

/** By wheel, fast and faster; in jumps, the ends among them; and as if by the bar, a jump in every frame. */
async function scroll(page: Page): Promise<void> {
  const box = await place(page);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  for (const [steps, by] of [[90, 300], [40, 3_000], [20, 30_000]]) {
    for (let step = 0; step < steps; step += 1) await page.mouse.wheel(0, by);
    for (let step = 0; step < steps; step += 1) await page.mouse.wheel(0, -by);
  }
  for (const share of [0.5, 0, 1, 0.25, 0.75, 0.1, 0.9, 0.333, 0.667, 0, 0.999, 0.5]) {
    await page.evaluate((at) => window.jump(at), share);
    await pause(120);
  }
  await page.evaluate(async () => {
    for (let step = 0; step <= 120; step += 1) {
      window.jump(step / 120);
      await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
    }
  });
}

function place(page: Page): Promise<{ x: number; y: number; width: number; height: number }> {
  return page.evaluate(() => window.scroller().getBoundingClientRect().toJSON());
}

/**
 * The same scrolling again, judged by the pictures that Chromium composed: it may move a list without asking the page, and then the DOM is not
 * what is seen. A picture is blank where a quarter of the list's height or more, at one stretch, has one colour only.
 */
async function painted(page: Page): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  const pictures: string[] = [];
  devtools.on("Page.screencastFrame", ({ data, sessionId }) => {
    pictures.push(data);
    void devtools.send("Page.screencastFrameAck", { sessionId });
  });
  const box = await place(page);
  await devtools.send("Page.startScreencast", { format: "jpeg", quality: 60, everyNthFrame: 1, maxWidth: 640, maxHeight: 400 });
  await scroll(page);
  await devtools.send("Page.stopScreencast");
  // An empty page without our policy decodes them.
  const judge = await page.context().newPage();
  await judge.goto("about:blank");
  let blank = 0;
  for (const picture of pictures) {
    const share = await judge.evaluate(emptyShare, { picture, box, width: 1280 });
    if (share >= 0.25) blank += 1;
  }
  await judge.close();
  report("scrollback", `pictures with a blank, of ${count(pictures.length)} composed`, count(blank), "0", blank === 0);
}

/** In a page: the longest stretch of the box without anything in it, as a share of its height. */
async function emptyShare({ picture, box, width }: { picture: string; box: { x: number; y: number; width: number; height: number }; width: number }): Promise<number> {
  const image = new Image();
  image.src = `data:image/jpeg;base64,${picture}`;
  await image.decode();
  const scale = image.width / width;
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas");
  context.drawImage(image, 0, 0);
  const [left, top, wide, high] = [box.x * scale + 4, box.y * scale, box.width * scale * 0.6, box.height * scale].map(Math.round);
  const { data } = context.getImageData(left, top, wide, high);
  let longest = 0;
  let run = 0;
  for (let y = 0; y < high; y += 1) {
    let [least, most] = [255, 0];
    for (let x = 0; x < wide; x += 1) {
      const green = data[(y * wide + x) * 4 + 1];
      least = Math.min(least, green);
      most = Math.max(most, green);
    }
    run = most - least < 40 ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest / high;
}

/** In the page. */
function install(): void {
  window.scroller = () => {
    const log = document.querySelector('[role="log"]');
    const row = document.querySelector(".log-row");
    for (let one: Element | null = row ?? log; one !== null; one = one.parentElement) {
      if (one instanceof HTMLElement && one.scrollHeight > one.clientHeight && /auto|scroll/.test(getComputedStyle(one).overflowY)) return one;
    }
    return log as HTMLElement;
  };
  // Between a jump and the next frame the page cannot know of it, and nobody sees it.
  let jumped = false;
  window.jump = (share) => {
    jumped = true;
    window.scroller().scrollTop = share * window.scroller().scrollHeight;
  };
  const watch: Watch = { frames: 0, blank: 0, worst: 0, intervals: [], on: false };
  window.watch = watch;
  let before = 0;
  const look = () => {
    if (jumped) return;
    const scroller = window.scroller();
    const { top, bottom } = scroller.getBoundingClientRect();
    let covered = top;
    let hole = 0;
    const rows = [...scroller.querySelectorAll(".log-row")].map((row) => row.getBoundingClientRect()).sort((a, b) => a.top - b.top);
    for (const row of rows) {
      if (row.bottom <= top || row.top >= bottom) continue;
      hole = Math.max(hole, row.top - covered);
      covered = Math.max(covered, row.bottom);
    }
    hole = Math.max(hole, bottom - covered);
    // At the ends stands what says that it is the beginning, or where new lines come.
    const atEnd = scroller.scrollTop < 60 || scroller.scrollTop + scroller.clientHeight > scroller.scrollHeight - 60;
    watch.frames += 1;
    if (hole > (atEnd ? 80 : 24)) {
      watch.blank += 1;
      watch.worst = Math.max(watch.worst, Math.round(hole));
    }
  };
  // Behind the frame's own handlers: what is in the DOM then is what was painted.
  const channel = new MessageChannel();
  channel.port1.onmessage = look;
  const frame = (now: number) => {
    jumped = false;
    if (watch.on) {
      if (before > 0) watch.intervals.push(now - before);
      before = now;
      channel.port2.postMessage(0);
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}
