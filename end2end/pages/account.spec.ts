import { expect, signIn, test } from "../fixtures";
import { ADA, alive, open, signInAsNew } from "./kit";

test.describe("one's own password", () => {
  // The browser's word for refused changes.
  test.use({ allowedErrors: [/status of 400/] });

  test("is changed by who knows it, to one that is hard to guess", async ({ page, newVisitor }) => {
    const admin = await newVisitor();
    await signIn(admin);
    const user = await signInAsNew(admin, page, "developer", "ada-change");
    await open(page, "/account");
    const form = page.getByRole("region", { name: "Password" });
    const [current, password, repeat] = ["Current password", "New password", "Repeat password"].map((label) => form.getByLabel(label));
    if (!current || !password || !repeat) throw new Error("three fields");
    const change = form.getByRole("button", { name: "Change password" });
    const fill = async (now: string, then: string, again = then): Promise<void> => {
      await current.fill(now);
      await password.fill(then);
      await repeat.fill(again);
      await change.click();
    };
    await fill("not this one either", "difference engine no. 2");
    await expect(form.getByText("this is not your password")).toBeVisible();
    await expect(current).toHaveAttribute("aria-invalid", "true");
    await fill(user.password, "short");
    await expect(form.getByText("use at least 12 characters; this has 5")).toBeVisible();
    await fill(user.password, "difference engine no. 2", "difference engine no. 3");
    await expect(form.getByText("The two passwords differ.")).toBeVisible();

    const other = await newVisitor();
    await signIn(other, user);
    await fill(user.password, "difference engine no. 2");
    await expect(page.getByText("Password changed.")).toBeVisible();
    await expect(current).toHaveValue("");
    // The other sessions end, this one stays.
    await other.goto("/account");
    await expect(other).toHaveURL(/\/login/);
    await page.reload();
    await expect(page.getByRole("heading", { name: "Account", level: 1 })).toBeVisible();
    await signIn(other, { ...user, password: "difference engine no. 2" });
    await expect(other.getByRole("banner")).toContainText("ada-change");
  });
});

test("one sees one's sessions and ends another of them", async ({ page, newVisitor }) => {
  const admin = await newVisitor();
  await signIn(admin);
  const user = await signInAsNew(admin, page, "developer", "ada-sessions");
  const other = await newVisitor();
  await signIn(other, user);
  await open(page, "/account");
  const sessions = page.getByRole("region", { name: "My sessions" });
  await expect(sessions.getByRole("row")).toHaveCount(3);
  await expect(sessions.getByText("this one")).toHaveCount(1);
  await sessions.getByRole("button", { name: /^End the session/ }).click();
  await expect(page.getByText("Session ended.")).toBeVisible();
  await expect(sessions.getByRole("row")).toHaveCount(2);
  await other.reload();
  await expect(other).toHaveURL(/\/login/);
  await page.reload();
  await alive(page);
  await expect(sessions.getByRole("row")).toHaveCount(2);
});

test("a password can be looked at while it is typed", async ({ page }) => {
  await signIn(page);
  await open(page, "/account");
  const password = page.getByLabel("New password");
  await password.fill(ADA.password);
  await expect(password).toHaveAttribute("type", "password");
  const form = page.getByRole("region", { name: "Password" });
  await form.getByRole("button", { name: "Show" }).nth(1).click();
  await expect(password).toHaveAttribute("type", "text");
  await form.getByRole("button", { name: "Hide" }).click();
  await expect(password).toHaveAttribute("type", "password");
});
