// What every test is given. `page` fails its test on any console.error or uncaught error; `console` is one running program for the whole
// run; `startContainer` removes what it started. A test that expects the browser to complain says so:
//   test.use({ allowedErrors: [/status of 401/] });
import { test as base, expect, type BrowserContext, type Page } from "@playwright/test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Console, waitFor, type StartOptions } from "./console";
import { Container, docker, prepareDocker, runContainer, type ContainerOptions } from "./docker";
import { Loki } from "./soak/kit/loki";

export { Console, Container, docker, expect, waitFor };
export type { ContainerOptions, StartOptions };

export type User = { name: string; password: string };
export const ADMIN: User = { name: "admin", password: "correct-horse-battery" };

/** The environment of a console that collects from no Docker Engine. */
export const NO_DOCKER = { DOCAICHE_DOCKER_HOST: "unix:///nowhere/docker.sock" };

type TestFixtures = {
  /** What the browser may complain of in this test. */
  allowedErrors: RegExp[];
  /** A page in a browser context of its own, watched like `page`: a second person, or the same at another machine. */
  newVisitor: () => Promise<Page>;
  startContainer: (options: ContainerOptions) => Container;
  /** Starts a console of the test's own: for restarts, faults, and a first start without a password (`setupUrl()`). */
  startConsole: (options?: StartOptions) => Promise<Console>;
  /** A console at its first start, without a password: nobody can sign in before the set-up. */
  firstStart: { console: Console; setupUrl: string };
};
/** What keeps the lines: the console's own engine, or a Loki, which here is a second console behind Loki's API. */
export type Backend = "embedded" | "loki";
export type WorkerOptions = {
  backend: Backend;
  /** Of the shared console. */
  startWith: StartOptions;
};
type WorkerFixtures = {
  /** The demo image is there and nothing is left of earlier runs. */
  engine: void;
  console: Console;
};

export const test = base.extend<TestFixtures, WorkerFixtures & WorkerOptions>({
  backend: ["embedded", { option: true, scope: "worker" }],
  startWith: [{ password: ADMIN.password }, { option: true, scope: "worker" }],
  allowedErrors: [[], { option: true }],

  engine: [
    async ({}, use) => {
      prepareDocker();
      await use();
    },
    { scope: "worker", timeout: 60_000 },
  ],
  console: [
    async ({ engine, backend, startWith }, use) => {
      if (backend === "loki") return onLoki(startWith, use);
      const started = await Console.start(startWith);
      await use(started);
      await started.dispose();
    },
    { scope: "worker", timeout: 60_000 },
  ],
  // Relative addresses are the shared console's.
  baseURL: async ({ console }, use) => use(console.url),

  page: async ({ page, allowedErrors }, use) => {
    const complaints = watch(page);
    await use(page);
    expect(complaints.filter((text) => !allowedErrors.some((allowed) => allowed.test(text))), "the browser's complaints").toEqual([]);
  },
  newVisitor: async ({ browser, baseURL, allowedErrors }, use) => {
    const contexts: BrowserContext[] = [];
    const watched: string[][] = [];
    await use(async () => {
      const context = await browser.newContext({ baseURL });
      contexts.push(context);
      const page = await context.newPage();
      watched.push(watch(page));
      return page;
    });
    for (const context of contexts) await context.close();
    expect(watched.flat().filter((text) => !allowedErrors.some((allowed) => allowed.test(text))), "the other browsers' complaints").toEqual([]);
  },
  startContainer: async ({ engine }, use) => {
    const started: Container[] = [];
    await use((options) => {
      const container = runContainer(options);
      started.push(container);
      return container;
    });
    for (const container of started) container.remove();
  },
  startConsole: async ({ engine }, use) => {
    const started: Console[] = [];
    await use(async (options = { password: ADMIN.password }) => {
      const own = await Console.start(options);
      started.push(own);
      return own;
    });
    for (const own of started) await own.dispose();
  },
  firstStart: async ({ startConsole }, use) => {
    const started = await startConsole({});
    // The link is printed last of all, which may be after the first request is answered.
    await waitFor("a set-up link", 10_000, () => started.stdout().includes("/setup?token="));
    await use({ console: started, setupUrl: started.setupUrl() });
  },
});

/** A console that asks a Loki and ships to it. */
async function onLoki(startWith: StartOptions, use: (started: Console) => Promise<void>): Promise<void> {
  const far = await Console.start({ password: ADMIN.password, env: NO_DOCKER });
  const loki = await Loki.of(far);
  const folder = mkdtempSync(join(tmpdir(), "docaiche-e2e-"));
  const config = join(folder, "docaiche.toml");
  writeFileSync(config, `loki_url = "${far.url.replace("localhost", "127.0.0.1")}/loki"\n[collect]\nship_to = "loki"\n[logs]\nloki_token = "${loki.token}"\n`);
  const near = await Console.start({ ...startWith, args: ["--config", config] });
  await use(near);
  await near.dispose();
  loki.close();
  await far.dispose();
  rmSync(folder, { recursive: true });
}

/** Signs in through the form, and waits until it is behind us. `url` for a console other than the shared one. */
export async function signIn(page: Page, user: User = ADMIN, url = ""): Promise<void> {
  await page.goto(`${url}/login`);
  await page.locator('input[name="username"]').fill(user.name);
  await page.locator('input[name="password"]').fill(user.password);
  await page.locator('input[name="password"]').press("Enter");
  await page.waitForURL((address) => address.pathname !== "/login");
}

/** Collects what the browser complains of: console.error, uncaught errors, a crash. */
function watch(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console.error: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.stack ?? error.message}`));
  page.on("crash", () => complaints.push("the page crashed"));
  return complaints;
}
