import { ADMIN, expect, signIn, test } from "../fixtures";
import { alive, openLogs, watchSockets } from "./kit";
import type { Page } from "@playwright/test";

async function submit(page: Page, name: string, password: string): Promise<void> {
  await page.getByLabel("User name").fill(name);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

test("a wrong password is refused in words, the right one leads to where one wanted", async ({ page }) => {
  await page.goto("/account");
  await expect(page).toHaveURL(/\/login\?next=%2Faccount$/);
  await submit(page, ADMIN.name, "not the password");
  await expect(page.getByRole("alert")).toHaveText("Wrong user name or password.");
  await submit(page, "nobody-by-this-name", ADMIN.password);
  await expect(page.getByRole("alert")).toHaveText("Wrong user name or password.");
  await submit(page, ADMIN.name, ADMIN.password);
  await expect(page).toHaveURL(/\/account$/);
  await expect(page.getByRole("heading", { name: "Account", level: 1 })).toBeVisible();
});

test("somebody who guesses has to wait", async ({ page, startConsole }) => {
  const own = await startConsole({ password: ADMIN.password });
  await page.goto(`${own.url}/login`);
  for (let guess = 0; guess < 6; guess++) await submit(page, ADMIN.name, `guess number ${guess}`);
  await expect(page.getByRole("alert")).toHaveText(/^Too many attempts\. Try again in \d+ s\.$/);
  // Not even the right one now.
  await submit(page, ADMIN.name, ADMIN.password);
  await expect(page.getByRole("alert")).toHaveText(/^Too many attempts/);
});

test("after signing out the cookie is worth nothing", async ({ page, context }) => {
  await signIn(page);
  const cookies = await context.cookies();
  const session = cookies.find((cookie) => cookie.name === "docaiche_session");
  expect(session).toMatchObject({ httpOnly: true, sameSite: "Lax", path: "/" });
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL(/\/login/);
  await context.addCookies(cookies);
  expect((await page.request.get("/api/v1/auth/me")).status()).toBe(401);
  await page.goto("/account");
  await expect(page).toHaveURL(/\/login\?next=%2Faccount$/);
});

test("signing in changes the session's id", async ({ page, context, console }) => {
  await context.addCookies([{ name: "docaiche_session", value: "AAAAAAAAAAAAAAAAAAAAAA", url: console.url }]);
  await signIn(page);
  const session = (await context.cookies()).find((cookie) => cookie.name === "docaiche_session");
  expect(session?.value).not.toBe("AAAAAAAAAAAAAAAAAAAAAA");
});

test("signing out closes the open views of that session", async ({ page, context }) => {
  const closed = await watchSockets(page);
  await signIn(page);
  await openLogs(page, ["console"]);
  const other = await context.newPage();
  await other.goto("/account");
  await alive(other);
  await other.getByRole("banner").getByRole("button", { name: "Sign out" }).click();
  await expect(other).toHaveURL(/\/login/);
  await expect(page).toHaveURL(/\/login\?next=/);
  expect(await closed()).toMatchObject([{ code: 4401 }]);
  // And back to the same place afterwards.
  await submit(page, ADMIN.name, ADMIN.password);
  await expect(page).toHaveURL(/\/logs\?service=console$/);
});

test("an address of another site is no place to go to after signing in", async ({ page, console }) => {
  for (const next of ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "/login"]) {
    await page.goto(`/login?next=${encodeURIComponent(next)}`);
    await submit(page, ADMIN.name, ADMIN.password);
    await expect(page, next).toHaveURL(`${console.url}/`);
    await page.getByRole("banner").getByRole("button", { name: "Sign out" }).click();
    await expect(page).toHaveURL(/\/login/);
  }
});

test("one can sign in and look around without JavaScript", async ({ browser, baseURL }) => {
  const context = await browser.newContext({ baseURL, javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto("/account");
  await submit(page, ADMIN.name, "wrong this time");
  await expect(page.getByRole("alert")).toHaveText("Wrong user name or password.");
  await submit(page, ADMIN.name, ADMIN.password);
  await expect(page.getByRole("heading", { name: "Account", level: 1 })).toBeVisible();
  await expect(page.getByRole("region", { name: "Who you are" })).toContainText("admin");
  await page.getByRole("link", { name: "Overview", exact: true }).click();
  await expect(page.getByRole("region", { name: "System" })).toContainText("Memory");
  await page.getByRole("banner").getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL(/\/login/);
  await context.close();
});
