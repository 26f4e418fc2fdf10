// Every page, come to in either way and in every look. Without a Docker Engine, so that nothing but the console itself is on the pages.
import { ADMIN, Console, expect, signIn, test as base } from "../fixtures";
import { alive, Lines, open } from "./kit";
import type { Page } from "@playwright/test";

const test = base.extend<object, { console: Console }>({
  console: [
    async ({}, use) => {
      const started = await Console.start({ password: ADMIN.password, env: { DOCAICHE_DOCKER_HOST: "unix:///nowhere/docker.sock" } });
      await use(started);
      await started.dispose();
    },
    { scope: "worker", timeout: 60_000 },
  ],
});

type Visit = { name: string; path: string; heading: string; go: (page: Page) => Promise<void> };

const byLink =
  (name: string) =>
  async (page: Page): Promise<void> => {
    const menu = page.getByRole("button", { name: "Menu" });
    if (await menu.isVisible()) await menu.click();
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name, exact: true }).click();
  };

const visits: Visit[] = [
  { name: "overview", path: "/", heading: "Overview", go: byLink("Overview") },
  { name: "logs", path: "/logs", heading: "Logs", go: byLink("Logs") },
  { name: "account", path: "/account", heading: "Account", go: byLink("Account") },
  { name: "users", path: "/users", heading: "Users", go: byLink("Users") },
  { name: "documentation", path: "/api/docs", heading: "The interface for programs", go: byLink("API docs") },
  {
    name: "not found",
    path: "/no/such/page",
    heading: "Not found",
    // No link of ours leads there.
    go: (page) =>
      page.evaluate(() => {
        const link = document.createElement("a");
        link.href = "/no/such/page";
        document.querySelector("main")?.append(link);
        link.click();
        link.remove();
      }),
  },
];

const looks = [
  { name: "light", colorScheme: "light", width: 1280, height: 800 },
  { name: "dark", colorScheme: "dark", width: 1280, height: 800 },
  { name: "narrow", colorScheme: "light", width: 390, height: 844 },
] as const;

/** What is on the page for somebody who does not see it, without what changes by itself: lines, numbers and times. */
async function heard(page: Page): Promise<string> {
  const snapshot = await page.locator("body").ariaSnapshot();
  const kept: string[] = [];
  let inside: number | undefined;
  for (const line of snapshot.split("\n")) {
    const depth = line.search(/\S/);
    if (inside !== undefined && depth > inside) continue;
    inside = undefined;
    if (line.includes('log "Log lines"')) inside = depth;
    kept.push(inside === undefined ? line : line.replace(/:.*$/, ""));
  }
  return kept
    .join("\n")
    .replace(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S*/g, "TIME")
    .replace(/\bnow\b|\d+ (s|min|h) ago/g, "TIME")
    .replace(/\d+( (s|min|h))( \d+ (s|min))?/g, "SPAN")
    .replace(/\d[\d,.]*/g, "N")
    .replace(/\b(trace|debug|info|warn|error)\b(?= (no line yet|TIME))/g, "LEVEL")
    .replace(/(- cell "?)(trace|debug|info|warn|error)\b/g, "$1LEVEL");
}

async function settled(page: Page, visit: Visit): Promise<void> {
  await expect(page.getByRole("heading", { name: visit.heading, level: 1 })).toBeAttached();
  if (visit.path === "/api/docs") return;
  await alive(page);
  await expect(page.getByText("Loading…").filter({ visible: true })).toHaveCount(0);
  if (visit.path === "/logs") await expect(new Lines(page).state).toHaveText("Live");
  if (visit.path === "/logs") await expect(new Lines(page).rows.first()).toBeVisible();
}

for (const visit of visits) {
  test.describe(visit.name, () => {
    // The browser's word for a page that is not there.
    test.use({ allowedErrors: visit.path.startsWith("/no") ? [/status of 404/] : [] });

    for (const look of looks) {
      test(`is the same by a load and by a link, ${look.name}`, async ({ page }) => {
        await page.emulateMedia({ colorScheme: look.colorScheme });
        await page.setViewportSize({ width: look.width, height: look.height });
        await signIn(page);
        await alive(page);
        // From another page, or the link would lead nowhere.
        if (visit.path === "/") await open(page, "/account");
        await visit.go(page);
        await settled(page, visit);
        const linked = await heard(page);
        const title = await page.title();
        await page.goto(visit.path);
        await settled(page, visit);
        await expect.poll(() => heard(page)).toBe(linked);
        expect(await page.title()).toBe(title);

        const { width, inner, canvas } = await page.evaluate(() => ({
          width: document.scrollingElement?.scrollWidth ?? 0,
          inner: innerWidth,
          canvas: getComputedStyle(document.documentElement).backgroundColor,
        }));
        expect(width, "no scrolling sideways").toBeLessThanOrEqual(inner);
        const wide = page.locator(".table-box").evaluateAll((boxes) => boxes.filter((box) => box.scrollWidth > box.clientWidth).length);
        expect(await wide, "tables that scroll sideways").toBe(0);
        const [red = 0] = (/\d+/.exec(canvas) ?? ["0"]).map(Number);
        if (look.colorScheme === "dark") expect(red, `${canvas} is dark`).toBeLessThan(80);
        else expect(red, `${canvas} is light`).toBeGreaterThan(200);
      });
    }
  });
}

test.describe("what a screen reader is told", () => {
  test("at the sign-in", async ({ page }) => {
    await page.goto("/login");
    await alive(page);
    await expect(page.locator("body")).toMatchAriaSnapshot({ name: "login.aria.yml" });
  });

  for (const [name, path] of [["overview", "/"], ["account", "/account"], ["users", "/users"]] as const) {
    test(`on the page ${name}`, async ({ page, console }) => {
      void console;
      await signIn(page);
      await open(page, path);
      await expect(page.locator("body")).toMatchAriaSnapshot({ name: `${name}.aria.yml` });
    });
  }

  test("around the lines of a log", async ({ page }) => {
    await signIn(page);
    await open(page, "/logs?service=console&level=info&field=x%3Dy");
    await expect(page.getByText("Nothing matches")).toBeVisible();
    await expect(page.locator("body")).toMatchAriaSnapshot({ name: "logs.aria.yml" });
  });
});

test("the theme one chooses stays", async ({ page }) => {
  await signIn(page);
  await open(page, "/account");
  const root = page.locator("html");
  await page.getByLabel("Theme").selectOption("dark");
  await expect(root).toHaveAttribute("data-theme", "dark");
  // From the server already: the page is never shown in the wrong colours first.
  const answer = await page.request.get("/account", { headers: { accept: "text/html" } });
  expect(await answer.text()).toContain('data-theme="dark"');
  await page.reload();
  await alive(page);
  await expect(page.getByLabel("Theme")).toHaveValue("dark");
  await page.getByLabel("Theme").selectOption("auto");
  await expect(root).toHaveAttribute("data-theme", "auto");
});

test("the documentation has the theme one chose and a way back", async ({ page }) => {
  await signIn(page);
  await open(page, "/account");
  await page.getByLabel("Theme").selectOption("dark");
  await byLink("API docs")(page);
  await expect(page.getByRole("heading", { name: "The interface for programs" })).toBeVisible();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await expect(page.locator("html")).toHaveCSS("color-scheme", "dark");
  await byLink("Logs")(page);
  await expect(page).toHaveURL(/\/logs$/);
});

test("the first stop of Tab leads past the navigation", async ({ page }) => {
  await signIn(page);
  await open(page, "/users");
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to content" });
  await expect(skip).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
});
