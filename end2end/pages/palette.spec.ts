import { expect, signIn, test } from "../fixtures";
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
