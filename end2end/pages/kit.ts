// What several of these tests do and ask.
import { ADMIN, expect, signIn, waitFor, type User } from "../fixtures";
import type { Locator, Page } from "@playwright/test";

export const ADA: User = { name: "ada", password: "analytical engine notes" };

/** Waits until the page reacts to what a person does; until then it only looks so. */
export async function alive(page: Page): Promise<void> {
  await expect(page.locator("#main")).toHaveAttribute("data-alive", "true");
}

export async function open(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await alive(page);
}

/** Adds an account, by the session of an administrator's page. */
export async function addUser(admin: Page, user: User, role: "viewer" | "developer" | "operator" | "admin"): Promise<void> {
  const answer = await admin.request.post("/api/v1/users", { data: { username: user.name, password: user.password, role } });
  expect(answer.status(), await answer.text()).toBe(201);
}

/** Signs in as somebody who is new: their name is `ada` and something behind it. */
export async function signInAsNew(admin: Page, page: Page, role: "viewer" | "developer" | "operator", name: string): Promise<User> {
  const user = { name, password: ADA.password };
  await addUser(admin, user, role);
  await signIn(page, user);
  return user;
}

/** The viewer on some services, once the console knows them and the lines are live. */
export async function openLogs(page: Page, services: string[], query = ""): Promise<Lines> {
  for (const service of services) {
    await waitFor(`the service ${service}`, 10_000, async () => {
      const answer = await page.request.get(`/api/v1/logs/services`);
      const { services } = (await answer.json()) as { services: { id: string }[] };
      return services.some((one) => one.id === service);
    });
  }
  const chosen = services.map((service) => `service=${encodeURIComponent(service)}`).join("&");
  await open(page, `/logs?${chosen}${query}`);
  const lines = new Lines(page);
  await expect(lines.state).toHaveText("Live");
  return lines;
}

export async function signInAndOpenLogs(page: Page, services: string[], query = ""): Promise<Lines> {
  await signIn(page, ADMIN);
  return openLogs(page, services, query);
}

/** The list of lines and what stands around it. */
export class Lines {
  readonly list: Locator;
  readonly rows: Locator;
  readonly state: Locator;
  readonly search: Locator;
  constructor(readonly page: Page) {
    this.list = page.getByRole("log", { name: "Log lines" });
    this.rows = this.list.locator(".log-row[data-id]");
    this.state = page.locator(".logs-state");
    this.search = page.getByRole("searchbox", { name: "Search lines" });
  }

  /** The rows with a text. */
  with(text: string | RegExp): Locator {
    return this.rows.filter({ hasText: text });
  }

  /** The row of the demo image's `flood` with a number. */
  seq(number: number): Locator {
    return this.with(new RegExp(`seq=${number}(?!\\d)`));
  }

  /** Waits until the newest line drawn is that one of `flood`, or a later one. */
  async reached(number: number): Promise<void> {
    const newest = async (): Promise<number> => Number(/seq=(\d+)/.exec((await this.texts()).at(-1) ?? "")?.[1] ?? 0);
    await expect.poll(newest, { timeout: 20_000 }).toBeGreaterThanOrEqual(number);
  }

  get paused(): Locator {
    return this.page.getByText(/^Paused/);
  }

  toggle(name: string): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  /** Ids of the rows drawn now, from top to bottom. */
  ids(): Promise<string[]> {
    return this.rows.evaluateAll((rows) => rows.map((row) => row.getAttribute("data-id") ?? ""));
  }

  texts(): Promise<string[]> {
    return this.rows.locator(".log-text").allTextContents();
  }

  /** The first row in view and how far below the list's edge it begins. */
  firstInView(): Promise<{ id: string; top: number }> {
    return this.list.evaluate((list) => {
      const edge = list.getBoundingClientRect().top;
      const row = [...list.querySelectorAll<HTMLElement>(".log-row[data-id]")].find((row) => row.getBoundingClientRect().bottom > edge + 1);
      return { id: row?.dataset["id"] ?? "none", top: Math.round((row?.getBoundingClientRect().top ?? 0) - edge) };
    });
  }

  /** Lines that came since the pause, as the bar says. */
  async fresh(): Promise<number> {
    const text = (await this.paused.textContent()) ?? "";
    return Number(/· ([\d,]+) new/.exec(text)?.[1]?.replaceAll(",", "") ?? 0);
  }

  /** Waits until at least this many lines have come that the reader does not see. */
  async waitForFresh(count: number): Promise<void> {
    await expect.poll(() => this.fresh()).toBeGreaterThanOrEqual(count);
  }

  /** Scrolls by steps of a screen from here to the end or the beginning; what `look` answers for each screen, until it is not `undefined`. */
  async walk<T>(direction: "up" | "down", look: () => Promise<T | undefined>): Promise<T | undefined> {
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      const moved = await this.list.evaluate(
        (list, by) =>
          new Promise<boolean>((done) => {
            const before = list.scrollTop;
            list.scrollTop += by * list.clientHeight;
            requestAnimationFrame(() => requestAnimationFrame(() => done(list.scrollTop !== before)));
          }),
        direction === "down" ? 0.9 : -0.9,
      );
      if (!moved) return undefined;
    }
  }
}

/** Notes how the page's sockets close, over loads of the page too. Ask with the function it returns; call it before the page opens one. */
export async function watchSockets(page: Page): Promise<() => Promise<{ code: number; at: number }[]>> {
  await page.addInitScript(() => {
    const Native = window.WebSocket;
    window.WebSocket = class extends Native {
      constructor(...how: ConstructorParameters<typeof Native>) {
        super(...how);
        this.addEventListener("close", ({ code }) => {
          const closed = JSON.parse(sessionStorage.getItem("closed") ?? "[]") as unknown[];
          sessionStorage.setItem("closed", JSON.stringify([...closed, { code, at: Date.now() }]));
        });
      }
    };
  });
  return () => page.evaluate(() => JSON.parse(sessionStorage.getItem("closed") ?? "[]") as { code: number; at: number }[]);
}
