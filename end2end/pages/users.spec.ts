import { ADMIN, expect, signIn, test } from "../fixtures";
import { ADA, alive, open, openLogs, signInAsNew, watchSockets } from "./kit";

test("an administrator adds somebody, who can then sign in", async ({ page, newVisitor }) => {
  await signIn(page);
  await open(page, "/users");
  const form = page.getByRole("region", { name: "New user" });
  await form.getByLabel("User name").fill("ada-new");
  await form.getByLabel("Role").selectOption("developer");
  await form.getByLabel("Password", { exact: true }).fill(ADA.password);
  await form.getByRole("button", { name: "Add user" }).click();
  await expect(page.getByText("ada-new was added as developer.")).toBeVisible();
  await expect(page.getByRole("row", { name: "ada-new" }).first()).toContainText("enabled");
  await expect(form.getByLabel("User name")).toHaveValue("");

  const visitor = await newVisitor();
  await signIn(visitor, { name: "ada-new", password: ADA.password });
  await expect(visitor.getByRole("banner")).toContainText("ada-new");
  await expect(visitor.getByRole("banner")).toContainText("developer");
});

test.describe("refusals", () => {
  // The browser's word for answers that are no 200.
  test.use({ allowedErrors: [/status of 4(00|09)/] });

  test("of a new user stand at the field or the form", async ({ page }) => {
    await signIn(page);
    await open(page, "/users");
    const form = page.getByRole("region", { name: "New user" });
    await form.getByLabel("User name").fill("ada-weak");
    await form.getByLabel("Password", { exact: true }).fill("passwordpassword");
    await form.getByRole("button", { name: "Add user" }).click();
    await expect(form.getByText("too easy to guess")).toBeVisible();
    await expect(form.getByLabel("Password", { exact: true })).toHaveAttribute("aria-invalid", "true");
    await form.getByLabel("User name").fill(ADMIN.name);
    await form.getByLabel("Password", { exact: true }).fill(ADA.password);
    await form.getByRole("button", { name: "Add user" }).click();
    await expect(form.getByText(/exists|taken/)).toBeVisible();
  });

  test("the last administrator stays one, and is told why", async ({ page, startConsole }) => {
    const own = await startConsole({ password: ADMIN.password });
    await signIn(page, ADMIN, own.url);
    await open(page, `${own.url}/users`);
    await page.getByRole("button", { name: "Disable admin" }).click();
    const dialog = page.getByRole("dialog", { name: "Disable admin?" });
    await dialog.getByRole("button", { name: "Disable", exact: true }).click();
    await expect(dialog.getByText("the last enabled administrator must stay one")).toBeVisible();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await expect(dialog).toBeHidden();
    const role = page.getByLabel("Role of admin");
    await role.selectOption("viewer");
    await expect(page.getByRole("alert")).toContainText("the last enabled administrator must stay one");
    await expect(role).toHaveValue("admin");
  });
});

test("disabling somebody ends their live view within two seconds, and their sign-in", async ({ page, newVisitor }) => {
  await signIn(page);
  const visitor = await newVisitor();
  const closed = await watchSockets(visitor);
  const user = await signInAsNew(page, visitor, "developer", "ada-off");
  await openLogs(visitor, ["console"]);
  await open(page, "/users");
  await page.getByRole("button", { name: "Disable ada-off" }).click();
  const began = Date.now();
  await page.getByRole("dialog", { name: "Disable ada-off?" }).getByRole("button", { name: "Disable", exact: true }).click();
  await expect(page.getByText("ada-off is disabled")).toBeVisible();
  await expect(visitor).toHaveURL(/\/login/);
  const [close] = await closed();
  expect(close?.code).toBe(4401);
  expect((close?.at ?? 0) - began).toBeLessThan(2_000);
  await visitor.getByLabel("User name").fill(user.name);
  await visitor.getByLabel("Password", { exact: true }).fill(user.password);
  await visitor.getByRole("button", { name: "Sign in" }).click();
  await expect(visitor.getByRole("alert")).toHaveText("Wrong user name or password.");

  await page.getByRole("button", { name: "Enable ada-off" }).click();
  await expect(page.getByText("ada-off may sign in again.")).toBeVisible();
  await signIn(visitor, user);
  await expect(visitor.getByRole("banner")).toContainText("ada-off");
});

test("a changed role counts at once, sockets included", async ({ page, newVisitor }) => {
  await signIn(page);
  const visitor = await newVisitor();
  const closed = await watchSockets(visitor);
  await signInAsNew(page, visitor, "developer", "ada-role");
  await openLogs(visitor, ["console"]);
  await open(page, "/users");
  const began = Date.now();
  await page.getByLabel("Role of ada-role").selectOption("viewer");
  await expect(page.getByText("ada-role is now viewer.")).toBeVisible();
  await expect.poll(async () => (await closed()).length).toBeGreaterThan(0);
  expect(((await closed())[0]?.at ?? 0) - began).toBeLessThan(2_000);
  await open(visitor, "/");
  await expect(visitor.getByRole("navigation", { name: "Main" }).getByRole("link")).toHaveText(["Overview", "Account", "API docs"]);
});

test("somebody sees what their scope holds and nothing else", async ({ page, newVisitor }) => {
  await signIn(page);
  const visitor = await newVisitor();
  await signInAsNew(page, visitor, "developer", "ada-scope");
  await open(page, "/users");
  await expect(page.getByRole("button", { name: "Set what admin sees" })).toBeDisabled();
  await page.getByRole("button", { name: "Set what ada-scope sees" }).click();
  const dialog = page.getByRole("dialog", { name: "What ada-scope sees" });
  await dialog.getByLabel("Selector").fill('{service="console"}');
  await dialog.getByRole("button", { name: "Set scope" }).click();
  await expect(page.getByText('ada-scope sees {service="console"} now.')).toBeVisible();
  await expect(page.getByRole("row", { name: "ada-scope" }).first()).toContainText('{service="console"}');
  await open(visitor, "/");
  await expect(visitor.getByRole("region", { name: "Services" }).getByRole("row").filter({ has: visitor.getByRole("link") })).toHaveCount(1);
  await expect(visitor.getByRole("link", { name: "console", exact: true })).toBeVisible();
});

test.describe("a viewer", () => {
  test.use({ allowedErrors: [/status of 403/] });

  test("sees the overview without services, and is told so where they may not go", async ({ page, newVisitor }) => {
    await signIn(page);
    const visitor = await newVisitor();
    await signInAsNew(page, visitor, "viewer", "ada-view");
    await alive(visitor);
    await expect(visitor.getByRole("navigation", { name: "Main" }).getByRole("link")).toHaveText(["Overview", "Account", "API docs"]);
    await expect(visitor.getByRole("region", { name: "System" })).toContainText("Memory");
    await expect(visitor.getByRole("region", { name: "Services" })).toContainText("Your role does not include logs");
    await expect(visitor.getByRole("table")).toHaveCount(0);
    await open(visitor, "/logs");
    await expect(visitor.getByText("Your role does not include logs")).toBeVisible();
    await open(visitor, "/users");
    await expect(visitor.getByRole("alert").first()).toBeVisible();
    await expect(visitor.getByRole("row")).toHaveCount(0);
  });
});

test("an administrator sets somebody's password, which ends their sessions", async ({ page, newVisitor }) => {
  await signIn(page);
  const visitor = await newVisitor();
  await signInAsNew(page, visitor, "developer", "ada-pass");
  await open(page, "/users");
  await page.getByRole("button", { name: "Set the password of ada-pass" }).click();
  const dialog = page.getByRole("dialog", { name: "Set the password of ada-pass" });
  await dialog.getByLabel("New password").fill("difference engine no. 2");
  await dialog.getByRole("button", { name: "Set password" }).click();
  await expect(page.getByText("The password of ada-pass is set")).toBeVisible();
  await visitor.goto("/account");
  await expect(visitor).toHaveURL(/\/login/);
  await signIn(visitor, { name: "ada-pass", password: "difference engine no. 2" });
  await expect(visitor.getByRole("banner")).toContainText("ada-pass");
});
