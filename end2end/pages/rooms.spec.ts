// What can be done with a search beside reading its lines, and the page of what is kept.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ADMIN, NO_DOCKER, type Console, expect, signIn, test } from "../fixtures";
import { alive, Lines, open, openLogs } from "./kit";
import type { Page } from "@playwright/test";

test.use({ startWith: { password: ADMIN.password, env: NO_DOCKER } });

function shop(own: Console): void {
  // Written again it would be read again.
  if (existsSync(join(own.logDir, "shop.log"))) return;
  const lines = Array.from({ length: 60 }, (_, n) => `{"level":"info","msg":"order ${n} placed","user":"u${n % 7}","ms":${n * 3}}`);
  writeFileSync(join(own.logDir, "shop.log"), [...lines, '{"level":"error","msg":"payment refused","user":"u3"}'].join("\n") + "\n");
}

// A name that is taken, and an export that is refused: the browser reports both by itself.
test.use({ allowedErrors: [/status of 40[09]/] });

async function show(page: Page, pane: "Lines" | "Patterns" | "Table"): Promise<void> {
  await page.getByRole("group", { name: "Show as" }).getByRole("button", { name: pane }).click();
}

test.beforeEach(({ console }) => shop(console));

test("the storage page tells what is kept, by direct load and by navigation", async ({ page, backend }) => {
  await signIn(page);
  await openLogs(page, ["shop"]);
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Storage" }).click();
  await expect(page.getByRole("heading", { name: "Storage", level: 1 })).toBeVisible();
  const row = page.getByRole("row", { name: /^shop/ });
  if (backend === "loki") {
    // Its index knows the text of a service, and lines only of all together.
    await expect(page.getByRole("heading", { name: "Kept by Loki, of the last 7 d" })).toBeVisible();
    await expect(row.getByRole("cell").first()).toHaveText(/^[\d.]+ [kK]?i?B$/);
    await expect(page.getByRole("columnheader", { name: "Oldest line" })).toHaveCount(0);
    await row.getByRole("link", { name: "shop" }).click();
    return expect(page).toHaveURL(/\/logs\?service=shop$/);
  }
  await expect(row.getByRole("cell").first()).toHaveText("61");
  await expect(page.getByRole("meter", { name: "By size" })).toBeVisible();
  await page.goto("/storage");
  await alive(page);
  await expect(row.getByRole("cell").first()).toHaveText("61");
  await expect(page.getByText("Everything that came in is there")).toBeVisible();
  await row.getByRole("link", { name: "shop" }).click();
  await expect(page).toHaveURL(/\/logs\?service=shop$/);
});

test("a search is kept under a name, opened again from the sheet and from the palette, and forgotten", async ({ page }) => {
  await signIn(page);
  await openLogs(page, ["shop"], "&level=error");
  await page.getByRole("button", { name: "Saved" }).click();
  const sheet = page.getByRole("dialog", { name: "Saved searches" });
  await sheet.getByLabel("Keep the present search as").fill("Refused payments");
  await sheet.getByRole("button", { name: "Save", exact: true }).click();
  const kept = sheet.getByRole("button", { name: /^Refused payments/ });
  await expect(kept).toContainText("shop · error");
  // The same name again is refused in place.
  await sheet.getByLabel("Keep the present search as").fill("Refused payments");
  await sheet.getByRole("button", { name: "Save", exact: true }).click();
  await expect(sheet.getByText("the name `Refused payments` is taken")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(sheet).toBeHidden();

  await open(page, "/logs");
  await page.getByRole("button", { name: "Saved" }).click();
  await kept.click();
  await expect(page).toHaveURL(/\/logs\?service=shop&level=error$/);
  await expect(sheet).toBeHidden();

  await page.keyboard.press("Control+k");
  await page.keyboard.type("refused");
  await expect(page.getByRole("dialog", { name: "Command palette" }).getByRole("option", { name: /Refused payments/ })).toBeVisible();
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Saved" }).click();
  await sheet.getByRole("button", { name: "Delete Refused payments" }).click();
  await expect(kept).toHaveCount(0);
});

test("a search that was looked at for a while is among the recent ones, one that was passed over is not", async ({ page }) => {
  await signIn(page);
  const lines = await openLogs(page, ["shop"], "&search=passed-over");
  await lines.search.fill("refused");
  await expect(lines.with("payment refused")).toBeVisible();
  const recent = async (): Promise<string[]> => {
    const { recent } = (await (await page.request.get("/api/v1/searches")).json()) as { recent: { query: string }[] };
    return recent.map((one) => one.query);
  };
  await expect.poll(recent).toContain("service=shop&search=refused");
  expect(await recent()).not.toContain("service=shop&search=passed-over");
  await open(page, "/logs");
  await page.getByRole("button", { name: "Saved" }).click();
  await page.getByRole("dialog", { name: "Saved searches" }).getByRole("button", { name: /"refused"/ }).click();
  await expect(page).toHaveURL(/\/logs\?service=shop&search=refused$/);
});

test("what repeats is one row, and leads to its lines", async ({ page }) => {
  await signIn(page);
  await openLogs(page, ["shop"]);
  await show(page, "Patterns");
  const pane = page.getByRole("region", { name: "Patterns" });
  const orders = pane.getByRole("row").filter({ hasText: "order" });
  await expect(orders).toHaveCount(1);
  await expect(orders.getByRole("cell").first()).toHaveText("60");
  await expect(pane.getByText(/in 61 lines/)).toBeVisible();
  await orders.getByRole("button").click();
  await expect(page).toHaveURL(/\/logs\?query=/);
  await expect(pane).toBeHidden();
});

test("the table has the fields one chooses, and a row leads to its line", async ({ page }) => {
  await signIn(page);
  await openLogs(page, ["shop"]);
  await show(page, "Table");
  const pane = page.getByRole("region", { name: "Table", exact: true });
  await expect(pane.getByRole("status")).toHaveText("61 lines");
  await pane.getByRole("button", { name: "Columns" }).click();
  await pane.getByRole("checkbox", { name: "user" }).check();
  await page.keyboard.press("Escape");
  await expect(pane.getByRole("columnheader", { name: "user" })).toBeVisible();
  const refused = pane.getByRole("row").filter({ hasText: "payment refused" });
  await expect(refused.getByRole("cell").nth(3)).toHaveText("u3");
  await refused.getByRole("button").click();
  await expect(page).toHaveURL(/&at=[0-9a-f]+/);
  await expect(pane).toBeHidden();
});

test("the table draws only what is in view of many lines, and loads more on the way down", async ({ page, console }) => {
  writeFileSync(join(console.logDir, "long.log"), Array.from({ length: 3_000 }, (_, n) => `line number ${n}\n`).join(""));
  await signIn(page);
  await openLogs(page, ["long"]);
  await show(page, "Table");
  const pane = page.getByRole("region", { name: "Table", exact: true });
  await expect(pane.getByRole("status")).toContainText("more below");
  expect(await pane.getByRole("row").count()).toBeLessThan(120);
  const box = page.getByRole("region", { name: "Lines as a table" });
  await expect
    .poll(async () => {
      await box.evaluate((box) => (box.scrollTop = box.scrollHeight));
      return pane.getByRole("status").textContent();
    })
    .toBe("3,000 lines");
  await expect(async () => {
    await box.evaluate((box) => (box.scrollTop = box.scrollHeight));
    await expect(pane.getByRole("row").filter({ hasText: /line number 0\s*$/ })).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 10_000 });
});

test("a million lines are exported with progress, whole; and an export can be cancelled", async ({ page, console }) => {
  test.setTimeout(420_000);
  const path = join(console.logDir, "million.log");
  for (let part = 0; part < 20; part++) {
    appendFileSync(path, Array.from({ length: 50_000 }, (_, n) => `line ${part * 50_000 + n} of very many\n`).join(""));
  }
  // The dialogue of the File System Access API is the browser's own: without it the file is a download.
  await page.addInitScript(() => Reflect.deleteProperty(window, "showSaveFilePicker"));
  await signIn(page);
  await expect
    .poll(
      async () => {
        const answer = await page.request.get("/api/v1/logs/histogram?service=million");
        if (answer.status() === 404) return 0;
        const { steps } = (await answer.json()) as { steps: { counts: Record<string, number> }[] };
        return steps.flatMap(({ counts }) => Object.values(counts)).reduce((sum, count) => sum + count, 0);
      },
      { timeout: 300_000 },
    )
    .toBe(1_000_000);
  await open(page, "/logs?service=million");
  await page.getByRole("button", { name: "Export" }).click();
  const sheet = page.getByRole("dialog", { name: "Export lines" });
  const says = sheet.getByRole("status");
  const start = sheet.getByRole("button", { name: "Export", exact: true });

  await start.click();
  await expect(says).toContainText("lines/s");
  await sheet.getByRole("button", { name: "Cancel" }).click();
  await expect(says).toContainText("Cancelled after");

  await sheet.getByRole("radio", { name: /^Text/ }).check();
  const download = page.waitForEvent("download", { timeout: 120_000 });
  await start.click();
  const file = await (await download).path();
  await expect(says).toContainText("Done: 1,000,000 lines");
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  expect(lines).toHaveLength(1_000_000);
  expect(lines[0]).toMatch(/ million line 0 of very many$/);
  expect(lines.at(-1)).toMatch(/ million line 999999 of very many$/);
});

test("an export that the console refuses says why", async ({ page }) => {
  await page.addInitScript(() => Reflect.deleteProperty(window, "showSaveFilePicker"));
  await signIn(page);
  await openLogs(page, ["shop"]);
  await page.route("**/api/v1/logs/export?**", (route) => route.continue({ url: `${route.request().url()}&limit=0` }));
  await page.getByRole("button", { name: "Export" }).click();
  const sheet = page.getByRole("dialog", { name: "Export lines" });
  await sheet.getByRole("button", { name: "Export", exact: true }).click();
  await expect(sheet.getByRole("status")).toContainText("0 is not within 1 to 5000");
});

test.describe("at 390 pixels", () => {
  test.use({ viewport: { width: 390, height: 844 }, colorScheme: "dark" });

  test("the tools are behind one button, and nothing stands out to the side", async ({ page }) => {
    await signIn(page);
    await openLogs(page, ["shop"]);
    await page.getByRole("button", { name: "More" }).click();
    await show(page, "Patterns");
    await expect(page.getByRole("region", { name: "Patterns" }).getByRole("row").filter({ hasText: "order" })).toBeVisible();
    const wide = (): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(await wide()).toBeLessThanOrEqual(0);
    await page.goto("/storage");
    await alive(page);
    await expect(page.getByRole("rowheader", { name: /^shop/ })).toBeVisible();
    expect(await wide()).toBeLessThanOrEqual(0);
  });
});
