// The machine's Chromium on the console's pages.
import { chromium, type Browser, type BrowserContext, type CDPSession, type Page } from "@playwright/test";
import type { Api } from "./api";

export type { Browser, BrowserContext, CDPSession, Page };

/** Starts Chromium, told to speak to nobody but the console. */
export function launch(...args: string[]): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
      ...["--disable-component-update", "--disable-sync", ...args],
    ],
  });
}

/** A window with an empty cache, signed in. What the browser complains of is collected. */
export async function visit(browser: Browser, api: Api): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ baseURL: api.url, viewport: { width: 1280, height: 800 }, locale: "en-GB", timezoneId: "UTC" });
  const [name, value] = api.cookie.split("=");
  await context.addCookies([{ name, value, url: api.url, httpOnly: true, sameSite: "Lax" }]);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console.error: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("crash", () => complaints.push("the page crashed"));
  return { page, complaints };
}

export const logsOf = (service: string) => `/logs?service=${encodeURIComponent(service)}`;
/** A line in the viewer. */
export const ROW = ".log-row[data-id]";

/** Processes of the page's kind, the one with the most memory: the page's own, where only one page is open. */
export async function rendererPid(browser: Browser, rss: (pid: number) => number): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  if (renderers.length === 0) throw new Error("Chromium names no renderer");
  return renderers.sort((a, b) => rss(b) - rss(a))[0];
}
