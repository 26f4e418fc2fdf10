import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ADMIN, expect, signIn, test, waitFor } from "../fixtures";
import { alive, Lines } from "./kit";

test("Ctrl-K leads to a service's lines by a few letters of its name", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-palette", script: ["sh", "-c", "echo found by its name; sleep 600"] });
  await signIn(page);
  await alive(page);
  await expect(page.getByRole("link", { name: "e2e-palette" })).toBeVisible();
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Command palette" });
  const input = palette.getByRole("combobox", { name: "Go to a page or service" });
  await expect(input).toBeFocused();
  await expect(palette.getByRole("option", { name: "Overview" })).toHaveAttribute("aria-selected", "true");
  await page.keyboard.type("palette");
  await expect(palette.getByRole("option")).toHaveCount(1);
  await expect(palette.getByRole("option", { name: "e2e-palette" })).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/logs\?service=e2e-palette$/);
  await expect(palette).toBeHidden();
  await expect(new Lines(page).with("found by its name")).toBeVisible();
});

test("the palette tells of services that its list has no room for", async ({ page, startConsole }) => {
  const own = await startConsole({ password: ADMIN.password });
  for (let number = 0; number < 20; number++) writeFileSync(join(own.logDir, `many-${number}.log`), "a line\n");
  await signIn(page, ADMIN, own.url);
  await waitFor("the services", 20_000, async () => (await (await page.request.get(`${own.url}/api/v1/logs/services`)).text()).includes("many-19"));
  await alive(page);
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Command palette" });
  await page.keyboard.type("many");
  await expect(palette.getByRole("option")).toHaveCount(12);
  await expect(palette.getByText("8 more: type on to find them")).toBeVisible();
  await page.keyboard.type("-19");
  await expect(palette.getByRole("option")).toHaveText([/many-19/]);
  await expect(palette.getByText(/more: type on/)).toHaveCount(0);
});

test("Esc closes the palette and gives the focus back", async ({ page }) => {
  await signIn(page);
  await alive(page);
  const filter = page.getByRole("searchbox", { name: "Filter services" });
  await filter.focus();
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Command palette" });
  await expect(palette).toBeVisible();
  await page.keyboard.type("nothing like this");
  await expect(palette.getByText("Nothing by that name")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(palette).toBeHidden();
  await expect(filter).toBeFocused();
});

test("the palette is walked with the arrows and opened by its button", async ({ page }) => {
  await signIn(page);
  await alive(page);
  await page.getByRole("button", { name: "Go to…" }).click();
  const palette = page.getByRole("dialog", { name: "Command palette" });
  const input = palette.getByRole("combobox");
  await expect(palette.getByRole("option", { name: "Account" })).toBeVisible();
  await page.keyboard.press("ArrowDown");
  await expect(palette.getByRole("option").nth(1)).toHaveAttribute("aria-selected", "true");
  await expect(input).toHaveAttribute("aria-activedescendant", (await palette.getByRole("option").nth(1).getAttribute("id")) ?? "");
  await page.keyboard.press("ArrowUp");
  await input.fill("account");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/account$/);
  await expect(page.getByRole("heading", { name: "Account", level: 1 })).toBeVisible();
});
