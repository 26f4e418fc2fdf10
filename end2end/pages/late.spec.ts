// Pages whose code comes late, when it does not come: a newer server has other files, or there is no network.
import { ADMIN, Console, expect, signIn, test as base } from "../fixtures";
import { alive, open } from "./kit";

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
// One expression: Playwright takes a list of several for a value with options.
test.use({ allowedErrors: [/status of 404|HTTP status code is not ok|ERR_INTERNET_DISCONNECTED|Failed to fetch|WebSocket/] });

const LATE = /\/pkg\/docaiche-[^/]*\.wasm$/;

test("a page whose files the server no longer has is loaded anew from the server", async ({ page }) => {
  await signIn(page);
  await open(page, "/logs");
  await alive(page);
  await page.evaluate(() => document.body.setAttribute("data-of", "the first load"));
  let refused = 0;
  // The link's pointer and the navigation ask once each.
  await page.route(LATE, (route) => (page.url().endsWith("/logs") ? ((refused += 1), route.fulfill({ status: 404 })) : route.continue()));
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Users" }).click();
  await expect(page.locator("body[data-of]")).toHaveCount(0);
  await expect(page.getByRole("heading", { name: "Users", level: 1 })).toBeVisible();
  await page.unroute(LATE);
  expect(refused).toBeGreaterThan(0);
});

test("a direct load that misses a file shows the page and says what it lacks", async ({ page }) => {
  await signIn(page);
  await page.route(LATE, (route) => route.fulfill({ status: 404 }));
  await page.goto("/users");
  await expect(page.getByRole("alert").filter({ hasText: "This page did not load completely" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Users", level: 1 })).toBeVisible();
  await page.unroute(LATE);
  await page.getByRole("link", { name: "Try again" }).click();
  await alive(page);
});

test("without a network a page that is not here yet says so in place", async ({ page, context }) => {
  await signIn(page);
  await open(page, "/logs");
  await alive(page);
  // What the browser keeps of an earlier page would do without a network.
  await page.route(LATE, (route) => route.abort("internetdisconnected"));
  await context.setOffline(true);
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Users" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "This page did not load" })).toBeVisible();
  await context.setOffline(false);
  await page.unroute(LATE);
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { name: "Users", level: 1 })).toBeVisible();
});

// A page comes with its module and those that it shares with other late views.
test("a page names the modules it needs, and no others", async ({ page }) => {
  await signIn(page);
  for (const [path, count] of [["/logs", 0], ["/", 4], ["/users", 4], ["/no/such/page", 0]] as const) {
    const html = await (await page.request.get(path, { headers: { accept: "text/html" } })).text();
    expect(html.match(/<link rel="preload" href="\/pkg\/docaiche-[^"]*\.wasm"/g) ?? [], path).toHaveLength(count);
  }
});
