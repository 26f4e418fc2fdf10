import { expect, signIn, test } from "../fixtures";
import { alive } from "./kit";

test("the first start prints a link, through which the administrator is made", async ({ page, firstStart }) => {
  await page.goto(firstStart.setupUrl);
  await alive(page);
  await expect(page.getByRole("heading", { name: "Set up" })).toBeVisible();
  const password = page.getByLabel("Password", { exact: true });
  const repeat = page.getByLabel("Repeat password");
  const create = page.getByRole("button", { name: "Create account" });
  await page.getByLabel("User name").fill("grace");

  // Too short: the browser itself does not send it.
  await password.fill("short");
  await repeat.fill("short");
  await create.click();
  expect(await password.evaluate((input: HTMLInputElement) => input.validity.valid)).toBe(false);

  // Long and easy to guess: the console says so, at the field.
  await password.fill("passwordpassword");
  await repeat.fill("passwordpassword");
  await create.click();
  await expect(page.getByText("not easy to guess")).toBeVisible();
  await expect(password).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("User name")).toHaveValue("grace");

  await password.fill("cobol and moths, 1947");
  await repeat.fill("cobol and moths, 1948");
  await create.click();
  await expect(page.getByText("The two passwords differ.")).toBeVisible();

  await page.getByLabel("User name").fill("grace");
  await password.fill("cobol and moths, 1947");
  await repeat.fill("cobol and moths, 1947");
  await create.click();
  await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
  expect(new URL(page.url()).pathname).toBe("/");
  await expect(page.getByRole("banner")).toContainText("grace");
});

test("a set-up link works once, and says so the second time", async ({ page, newVisitor, firstStart }) => {
  await page.goto(firstStart.setupUrl);
  await page.getByLabel("User name").fill("grace");
  await page.getByLabel("Password", { exact: true }).fill("cobol and moths, 1947");
  await page.getByLabel("Repeat password").fill("cobol and moths, 1947");
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();

  const second = await newVisitor();
  await second.goto(firstStart.setupUrl);
  await expect(second.getByRole("alert")).toContainText("used once");
  await expect(second.getByLabel("User name")).toHaveCount(0);
  await second.getByRole("link", { name: "Sign in" }).click();
  await signIn(second, { name: "grace", password: "cobol and moths, 1947" }, firstStart.console.url);
  await expect(second.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
});

test("before the set-up the sign-in tells where the link is", async ({ page, firstStart }) => {
  await page.goto(firstStart.console.url);
  await expect(page).toHaveURL(/\/login/);
  await expect(page.getByText("set-up link that the console printed")).toBeVisible();
});
