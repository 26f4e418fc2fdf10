// The search by LogQL, the range of time, the histogram, the chart.
import { expect, signIn, test } from "../fixtures";
import { alive, Lines, open, signInAndOpenLogs } from "./kit";
import type { Locator, Page } from "@playwright/test";

/** Prints each text as a line and then stays. */
const saying = (...lines: string[]): string[] => ["sh", "-c", 'for line; do printf "%s\\n" "$line"; done; sleep 600', "say", ...lines];
/** Prints `PREFIX 1`, `PREFIX 2` … , ten a second. */
const counting = (prefix: string): string[] => ["sh", "-c", `i=0; while true; do i=$((i+1)); echo "${prefix} $i"; usleep 100000; done`];

const ORDERS = ['{"level":"info","user":"ada","msg":"order placed","took":12}', '{"level":"error","user":"bob","msg":"order lost","took":900}', "a plain line"];

const editor = (page: Page): Locator => page.getByRole("combobox", { name: "LogQL query" });
const language = (page: Page, name: "Words" | "LogQL"): Locator =>
  page.getByRole("group", { name: "Search language" }).getByRole("button", { name, exact: true });
const query = (text: string): string => `/logs?query=${encodeURIComponent(text)}`;
const wrong = (page: Page): Locator => page.locator("#query-wrong");

/** The viewer at an address, once its lines are live. */
async function live(page: Page, address: string): Promise<Lines> {
  await open(page, address);
  const lines = new Lines(page);
  await expect(lines.state).toHaveText("Live");
  return lines;
}

test("words become a query and a query becomes words", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-words", script: saying(...ORDERS) });
  const lines = await signInAndOpenLogs(page, ["e2e-words"], "&level=error");
  await expect(lines.rows).toHaveCount(1);
  await language(page, "LogQL").click();
  await expect(editor(page)).toHaveValue('{service_name="e2e-words"} | detected_level="error"');
  await expect(page).toHaveURL(/query=/);
  await expect(page).not.toHaveURL(/level=error/);
  await expect(lines.rows).toHaveCount(1);
  await expect(lines.with("order lost")).toBeVisible();
  await expect(lines.search).toBeHidden();

  await editor(page).fill('{service_name="e2e-words"} |= "Order"');
  await editor(page).press("Enter");
  await expect(lines.rows).toHaveCount(0);
  await language(page, "Words").click();
  await expect(lines.search).toHaveValue("Order");
  await expect(page).toHaveURL(/service=e2e-words&search=Order/);

  // The way back leads to the query, and to the words before it.
  await page.goBack();
  await expect(editor(page)).toHaveValue('{service_name="e2e-words"} |= "Order"');
  await page.goBack();
  await page.goBack();
  await expect(lines.search).toBeVisible();
  await expect(lines.rows).toHaveCount(1);
});

test("a query that words cannot say stays a query, and it is said why", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-unsaid", script: saying(...ORDERS) });
  await signInAndOpenLogs(page, ["e2e-unsaid"]);
  const lines = await live(page, query('{service_name="e2e-unsaid"} | json | took > 100'));
  await expect(lines.rows).toHaveCount(1);
  await language(page, "Words").click();
  await expect(wrong(page)).toHaveText("Words cannot say: | took > 100");
  await expect(editor(page)).toBeVisible();
  await expect(lines.rows).toHaveCount(1);
});

test("a wrong query is told at its place, and the lines stay", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-wrong", script: saying(...ORDERS) });
  await signInAndOpenLogs(page, ["e2e-wrong"]);
  const lines = await live(page, query('{service_name="e2e-wrong"}'));
  await expect(lines.rows).toHaveCount(3);
  await editor(page).fill('{service_name="e2e-wrong"} |= oops | json');
  await editor(page).press("Enter");
  await expect(wrong(page)).toHaveText(/parse error at line 1, col 31: .*unexpected/);
  await expect(page.locator(".editor-mirror .q-wrong")).toHaveText("oops");
  await expect(editor(page)).toHaveAttribute("aria-invalid", "true");
  await expect(lines.rows).toHaveCount(3);
  expect(new URL(page.url()).searchParams.get("query")).toBe('{service_name="e2e-wrong"}');
  // What follows the grammar and is wrong all the same: the console knows.
  await editor(page).fill('{service_name="e2e-wrong"} |~ "(b"');
  await editor(page).press("Enter");
  await expect(wrong(page)).toContainText("missing");
  await editor(page).fill('{service_name="e2e-wrong"} |= "plain"');
  await expect(wrong(page)).toBeEmpty();
  await editor(page).press("Enter");
  await expect(lines.rows).toHaveCount(1);
  await expect(lines.rows.locator("mark")).toHaveText("plain");
});

test.describe("a wrong query in a link", () => {
  test.use({ allowedErrors: [/WebSocket connection .* failed|status of 400/] });
  test("is told at its place too", async ({ page }) => {
    await signIn(page);
    await open(page, query('{a="b"} | jsn'));
    await expect(wrong(page)).toContainText("parse error");
    await expect(page.getByText("The search is not valid")).toBeVisible();
  });
});

test("the editor completes labels, values, stages and functions by keys alone", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-complete", script: saying(...ORDERS) });
  await signInAndOpenLogs(page, ["e2e-complete"]);
  const lines = await live(page, query('{service_name="e2e-complete"}'));
  const choices = page.getByRole("listbox", { name: "What may stand here" });
  await page.keyboard.press("/");
  await expect(editor(page)).toBeFocused();
  await editor(page).fill("");
  await page.keyboard.type("{service_n");
  await expect(choices.getByRole("option").first()).toHaveText(/^service_name/);
  await page.keyboard.press("Escape");
  await expect(choices).toBeHidden();
  await expect(editor(page)).toBeFocused();
  await page.keyboard.press("Control+Space");
  await expect(choices.getByRole("option").first()).toHaveText(/^service_name/);
  await page.keyboard.press("Tab");
  await page.keyboard.type('="e2e-compl');
  await expect(choices.getByRole("option", { name: "e2e-complete" })).toBeVisible();
  await page.keyboard.press("ArrowDown");
  await expect(choices.getByRole("option", { selected: true })).toHaveText(/^e2e-complete/);
  const active = await editor(page).getAttribute("aria-activedescendant");
  await expect(page.locator(`#${active ?? "none"}`)).toHaveText(/^e2e-complete/);
  await page.keyboard.press("Enter");
  await expect(editor(page)).toHaveValue('{service_name="e2e-complete"');
  await page.keyboard.type("} | js");
  await page.keyboard.press("Tab");
  await expect(editor(page)).toHaveValue('{service_name="e2e-complete"} | json');
  await page.keyboard.type(' | user="ada"');
  await page.keyboard.press("Enter");
  await expect(lines.rows).toHaveCount(1);
  await expect(lines.with("order placed")).toBeVisible();
});

test("a click on a field or a label changes the query", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-click", script: saying(...ORDERS) });
  await signInAndOpenLogs(page, ["e2e-click"]);
  const lines = await live(page, query('{service_name="e2e-click"}'));
  await lines.with("order lost").getByRole("button", { name: "Show fields" }).click();
  await lines.with("order lost").getByRole("button", { name: "Only user=bob" }).click();
  await expect(editor(page)).toHaveValue('{service_name="e2e-click"} | json | user="bob"');
  await expect(lines.rows).toHaveCount(1);
  await lines.with("order lost").getByRole("button", { name: "Show fields" }).click();
  await lines.with("order lost").getByRole("button", { name: "Without stream=stdout" }).click();
  await expect(editor(page)).toHaveValue('{service_name="e2e-click", stream!="stdout"} | json | user="bob"');
  await expect(lines.rows).toHaveCount(0);
});

test("a query is followed live", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-follow", script: counting("tick") });
  await signInAndOpenLogs(page, ["e2e-follow"]);
  const lines = await live(page, query('{service_name="e2e-follow"} |~ "tick [0-9]*7$"'));
  await expect(lines.with(/tick 7(?!\d)/)).toBeVisible();
  await expect(lines.with(/tick 47(?!\d)/)).toBeVisible({ timeout: 20_000 });
  for (const text of await lines.texts()) expect(text).toMatch(/^tick \d*7$/);
});

test("what a removed container wrote is found across services, and its line has its neighbours around it", async ({ page, startContainer }) => {
  const numbered = Array.from({ length: 40 }, (_, n) => (n === 20 ? "needle in the middle" : `hay ${n}`));
  const gone = startContainer({ name: "e2e-gone", script: saying(...numbered) });
  startContainer({ name: "e2e-stays", script: saying("needle elsewhere") });
  await signInAndOpenLogs(page, ["e2e-gone"]);
  await expect(new Lines(page).with("hay 39")).toBeVisible();
  gone.remove();
  const lines = await live(page, query('{service_name=~"e2e-(gone|stays)"} |= "needle"'));
  await expect(lines.rows).toHaveCount(2);
  await expect(lines.with("needle elsewhere")).toBeVisible();
  await lines.with("needle in the middle").click();
  await lines.with("needle in the middle").getByRole("button", { name: "Show in context" }).click();
  await expect(page).toHaveURL(/\/logs\?service=e2e-gone&at=[0-9a-f]+/);
  await expect(lines.with("hay 19")).toBeVisible();
  await expect(lines.with("hay 21")).toBeVisible();
  await page.goBack();
  await expect(lines.rows).toHaveCount(2);
});

test("a range in the past has its lines and no others, and leads back to what is live", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-range", script: counting("beat") });
  await signInAndOpenLogs(page, ["e2e-range"]);
  await expect(new Lines(page).with(/beat ([3-9]\d|\d{3})/).first()).toBeVisible({ timeout: 15_000 });
  const sockets: string[] = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  const to = new Date(Date.now() - 1_000).toISOString();
  await open(page, `/logs?service=e2e-range&from=-1h&to=${encodeURIComponent(to)}`);
  const lines = new Lines(page);
  await expect(lines.state).toHaveText("Past");
  await expect(lines.with(/beat \d/).first()).toBeVisible();
  await expect(page.getByText(/^Scanned [\d,]+ lines?, .* in \d+ ms$/)).toBeVisible();
  const shown = await lines.texts();
  await page.waitForTimeout(1_000);
  expect(await lines.texts()).toEqual(shown);
  expect(sockets).toEqual([]);
  await page.keyboard.press("g");
  await expect(lines.with(/beat 1(?!\d)/)).toBeVisible();
  await page.getByRole("button", { name: "Jump to live" }).click();
  await expect(lines.state).toHaveText("Live");
  await expect(page).not.toHaveURL(/to=/);
});

test("the range is chosen from spans and by the clock, and the address keeps it", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-picker", script: saying("a line of now") });
  const lines = await signInAndOpenLogs(page, ["e2e-picker"]);
  const button = page.getByRole("button", { name: "Time range" });
  const panel = page.getByRole("group", { name: "Choose a time range" });
  await expect(button).toHaveText(/^All times/);
  await button.click();
  await panel.getByRole("button", { name: "15 minutes" }).click();
  await expect(page).toHaveURL(/from=-15m/);
  await expect(button).toHaveText(/^Last 15m/);
  await expect(panel).toBeHidden();
  await expect(lines.state).toHaveText("Live");
  await expect(lines.with("a line of now")).toBeVisible();

  await button.click();
  await panel.getByLabel("From", { exact: true }).fill("2026-01-02T03:04:05");
  await panel.getByLabel("To", { exact: true }).fill("2026-01-02T03:04:05");
  await panel.getByRole("button", { name: "Apply" }).click();
  await expect(panel.getByRole("alert")).toHaveText("The end must lie behind the beginning.");
  await panel.getByLabel("To", { exact: true }).fill("2026-01-02T04:04:05");
  await panel.getByRole("button", { name: "Apply" }).click();
  await expect(page).toHaveURL(/from=2026-01-02T03%3A04%3A05Z&to=2026-01-02T04%3A04%3A05Z/);
  await expect(button).toHaveText(/^01-02 03:04:05 – 04:04:05/);
  await expect(page.getByText("No lines in this range")).toBeVisible();

  // The clock is that of the zone which the lines have.
  await page.getByRole("combobox", { name: "Time zone" }).focus();
  await page.getByRole("combobox", { name: "Time zone" }).selectOption("Asia/Tokyo");
  await expect(button).toHaveText(/^01-02 12:04:05 – 13:04:05/);
  await button.click();
  await expect(panel.getByLabel("From", { exact: true })).toHaveValue("2026-01-02T12:04:05");
  await panel.getByLabel("From", { exact: true }).fill("2026-01-02T12:00:00");
  await panel.getByRole("button", { name: "Apply" }).click();
  await expect(page).toHaveURL(/from=2026-01-02T03%3A00%3A00Z/);
  await page.reload();
  await alive(page);
  await expect(button).toHaveText(/^01-02 12:00:00 – 13:04:05/);
  await page.getByRole("button", { name: "Show all times" }).click();
  await expect(lines.with("a line of now")).toBeVisible();
});

test("the histogram counts by level, and dragging over it goes to that range", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-bars", script: saying("level=info msg=one", "level=info msg=two", "level=error msg=three") });
  const lines = await signInAndOpenLogs(page, ["e2e-bars"]);
  await expect(lines.rows).toHaveCount(3);
  const bars = page.getByRole("region", { name: "Lines over time" });
  const plot = bars.getByRole("img");
  await expect(plot).toHaveAccessibleName(/^3 lines in 1 h.*: 1 error, 2 info$/, { timeout: 20_000 });
  await expect(bars.locator("path[data-level=error]")).toHaveCount(1);
  const top = await lines.firstInView();

  const box = (await plot.boundingBox())!;
  const y = box.y + box.height / 2;
  const bar = (await bars.locator("path[data-level=error]").boundingBox())!;
  await page.mouse.move(bar.x + bar.width / 2, y);
  await expect(bars.locator(".chart-tip")).toContainText(/error\s*1/);
  // The last tenth of the hour.
  await page.mouse.move(box.x + box.width * 0.9, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.95, y, { steps: 3 });
  await page.mouse.move(box.x + box.width - 1, y);
  await page.mouse.up();
  await expect(page).toHaveURL(/from=20.*&to=20/);
  await expect(lines.state).toHaveText("Past");
  await expect(lines.rows).toHaveCount(3);
  await expect(plot).toHaveAccessibleName(/^3 lines in (5|6|7) min/);
  await bars.getByRole("button", { name: "Zoom out" }).click();
  await expect(page).not.toHaveURL(/from=/);
  await expect(lines.state).toHaveText("Live");
  // And its place is there whether it is or not.
  expect((await lines.firstInView()).top).toBe(top.top);
  await lines.toggle("Histogram").click();
  await expect(bars).toBeHidden();
});

test("a metric query is drawn", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-numbers", script: saying(...ORDERS) });
  const before = await signInAndOpenLogs(page, ["e2e-numbers"]);
  await expect(before.rows).toHaveCount(3);
  await open(page, query('sum by (detected_level) (count_over_time({service_name="e2e-numbers"}[1h]))') + "&from=-15m");
  const numbers = page.getByRole("region", { name: "Numbers of the query" });
  await expect(page.locator(".logs-state")).toHaveText("Numbers");
  const series = numbers.getByRole("group", { name: "Series" });
  await expect(series.getByRole("button", { name: "error" })).toHaveAttribute("aria-pressed", "true");
  const chart = numbers.getByRole("img");
  await expect(chart).toHaveAccessibleName(/^\d series from .*, on a scale from 0 to/);
  const drawn = await numbers.locator(".chart-line").count();
  expect(drawn).toBeGreaterThanOrEqual(2);
  await expect(numbers.getByRole("row", { name: /^error/ }).getByRole("cell").first()).toHaveText("1");
  await chart.hover({ position: { x: 600, y: 60 } });
  await series.getByRole("button", { name: "error" }).click();
  await expect(numbers.locator(".chart-line")).toHaveCount(drawn - 1);
  await expect(page.getByText(/^Scanned [\d,]+ lines?/)).toBeVisible();
  // And back to lines.
  await editor(page).fill('{service_name="e2e-numbers"}');
  await editor(page).press("Enter");
  const lines = new Lines(page);
  await expect(lines.state).toHaveText("Live");
  await expect(lines.rows).toHaveCount(3);
  await expect(numbers).toBeHidden();
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true });
  test("query, range and histogram fit", async ({ page, startContainer }) => {
    startContainer({ name: "e2e-phone-search", script: saying(...ORDERS) });
    await signInAndOpenLogs(page, ["e2e-phone-search"]);
    const lines = await live(page, query('{service_name="e2e-phone-search"} | json | user="ada"'));
    await expect(lines.rows).toHaveCount(1);
    await page.getByRole("button", { name: /^Filters/ }).click();
    await expect(editor(page)).toBeVisible();
    await editor(page).fill('{service_name="e2e-phone-search"}');
    await page.getByRole("button", { name: "Run" }).click();
    await expect(page).toHaveURL(/e2e-phone-search%22%7D$/);
    await expect(lines.rows).toHaveCount(3);
    await page.keyboard.press("Escape");
    await expect(lines.rows).toHaveCount(3);
    await page.getByRole("button", { name: "Time range" }).click();
    const panel = page.getByRole("group", { name: "Choose a time range" });
    await expect(panel.getByRole("button", { name: "Apply" })).toBeInViewport();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBeLessThanOrEqual(390);
  });
});
