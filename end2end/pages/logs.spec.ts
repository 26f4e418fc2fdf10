import { ADMIN, docker, expect, signIn, test, waitFor } from "../fixtures";
import { ADA, addUser, alive, Lines, open, openLogs, signInAndOpenLogs } from "./kit";

/** Prints each text as a line and then stays. */
const saying = (...lines: string[]): string[] => ["sh", "-c", 'for line; do printf "%s\\n" "$line"; done; sleep 600', "say", ...lines];
/** Prints `PREFIX 1`, `PREFIX 2` … , ten a second. */
const counting = (prefix: string): string[] => ["sh", "-c", `i=0; while true; do i=$((i+1)); echo "${prefix} $i"; usleep 100000; done`];
const escape = "\u001b";

test.describe("a container", () => {
  test("that starts during the visit appears with its lines, without a reload", async ({ page, newVisitor, startContainer }) => {
    await signIn(page);
    await alive(page);
    const reader = await newVisitor();
    await signIn(reader);
    await open(reader, "/logs?search=newborn%20line");
    const lines = new Lines(reader);
    await expect(lines.state).toHaveText("Live");
    await expect(lines.rows).toHaveCount(0);

    startContainer({ name: "e2e-newborn", script: counting("newborn line") });
    await expect(lines.with("newborn line").first()).toBeVisible();
    await expect(page.getByRole("link", { name: "e2e-newborn" })).toBeVisible();

    await reader.getByRole("button", { name: "Services" }).click();
    await reader.getByRole("checkbox", { name: "e2e-newborn" }).check();
    await expect(reader).toHaveURL(/service=e2e-newborn/);
    await expect(lines.with("newborn line").first()).toBeVisible();
    await expect(lines.rows.first()).toContainText(/newborn line \d+/);
    // And they keep coming.
    const before = Number(/\d+$/.exec((await lines.texts()).at(-1) ?? "")?.[0]);
    await expect(lines.with(`newborn line ${before + 10}`)).toBeVisible();
  });

  test("with a terminal shows text without control characters", async ({ page, startContainer }) => {
    startContainer({ name: "e2e-tty", script: "tty", rate: 20, tty: true });
    const lines = await signInAndOpenLogs(page, ["e2e-tty"]);
    await expect(lines.with("fetching layer").first()).toBeVisible();
    await expect(lines.with("unpacked").first()).toBeVisible();
    for (const text of await lines.texts()) expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u2400-\u241f]/);
  });

  test("that writes over its line is shown as its terminal shows it", async ({ page, context, startContainer }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    startContainer({ name: "e2e-progress", script: saying("layer 10 %\rlayer 50 %\rlayer done", "other") });
    const lines = await signInAndOpenLogs(page, ["e2e-progress"]);
    const row = lines.with("layer done");
    await expect(row.locator(".log-text")).toHaveText("layer done");
    await row.click();
    await page.keyboard.press("c");
    await expect(page.getByText("Line copied")).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("layer done");
    await page.keyboard.press("Enter");
    await expect(row.locator(".log-whole")).toHaveText(/layer 10 %\s+layer 50 %\s+layer done/);
    // A search that meets what was written over shows it.
    await lines.search.fill("50 %");
    await expect(lines.rows.locator(".log-text mark")).toHaveText("50 %");
  });

  test("that is removed while watched ends in words", async ({ page, startContainer }) => {
    const container = startContainer({ name: "e2e-removed", script: counting("still here") });
    const lines = await signInAndOpenLogs(page, ["e2e-removed"]);
    await expect(lines.with("still here 1").first()).toBeVisible();
    container.remove();
    await expect(lines.state).toHaveText(/^Ended/);
    await expect(lines.with(/still here \d/).first()).toBeVisible();
  });
});

test("colours of a terminal become classes, not characters", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-ansi", script: saying(`${escape}[1;31mERROR${escape}[0m plain ${escape}[38;2;255;105;180mpink${escape}[0m`) });
  const lines = await signInAndOpenLogs(page, ["e2e-ansi"]);
  const row = lines.with("ERROR plain pink");
  await expect(row.getByText("ERROR", { exact: true })).toHaveClass("fg-1 bold");
  await expect(row.getByText("pink", { exact: true })).toHaveAttribute("style", /color/);
  await expect(row).toHaveAttribute("data-level", "error");
});

test("a JSON line opens to its fields in order, and a field becomes a filter that the address keeps", async ({ page, startContainer }) => {
  startContainer({
    name: "e2e-json",
    script: saying(
      '{"zeta":1,"level":"warn","user":"ada","msg":"first of them","alpha":{"deep":[1,2]}}',
      '{"zeta":2,"level":"info","user":"bob","msg":"second of them"}',
      "third of them, plain",
    ),
  });
  const lines = await signInAndOpenLogs(page, ["e2e-json"]);
  const first = lines.with("first of them");
  await expect(lines.with("of them")).toHaveCount(3);
  await first.getByRole("button", { name: "Show fields" }).click();
  const names = await first.getByRole("table").getByRole("rowheader").allTextContents();
  expect(names.slice(0, 4)).toEqual(["zeta", "level", "user", "msg"]);
  expect(names[4]).toMatch(/^alpha/);
  await expect(first.getByRole("row", { name: "user" }).getByRole("cell").first()).toHaveText("ada");

  await first.getByRole("button", { name: "Only user=ada" }).click();
  await expect(page).toHaveURL(/field=user%3Dada/);
  await expect(lines.with("second of them")).toHaveCount(0);
  await expect(lines.with("third of them")).toHaveCount(0);
  await expect(lines.with("first of them")).toBeVisible();

  await page.reload();
  await alive(page);
  await expect(lines.with("first of them")).toBeVisible();
  await expect(lines.rows).toHaveCount(1);
  await page.goBack();
  await expect(lines.with("of them")).toHaveCount(3);
  await page.goForward();
  await expect(lines.rows).toHaveCount(1);
  await page.getByRole("button", { name: "Remove filter user=ada" }).click();
  await expect(lines.with("of them")).toHaveCount(3);
});

test.describe("filters", () => {
  test("by level leave the chosen levels", async ({ page, startContainer }) => {
    startContainer({ name: "e2e-levels", script: saying("level=info msg=calm", "level=error msg=broken", "level=debug msg=chatter", "level=warn msg=hm") });
    const lines = await signInAndOpenLogs(page, ["e2e-levels"]);
    await expect(lines.rows).toHaveCount(4);
    const levels = page.getByRole("group", { name: "Levels" });
    await levels.getByRole("button", { name: "error" }).click();
    await expect(lines.rows).toHaveCount(1);
    await expect(lines.rows).toContainText("broken");
    await levels.getByRole("button", { name: "warn" }).click();
    await expect(lines.rows).toHaveCount(2);
    await expect(page).toHaveURL(/level=error&level=warn/);
    await expect(levels.getByRole("button", { name: "warn" })).toHaveAttribute("aria-pressed", "true");
    await page.getByRole("button", { name: "Clear all" }).click();
    await expect(lines.rows).toHaveCount(4);
  });

  test.describe("by text", () => {
    // The browser's word for the refused socket of an invalid expression.
    test.use({ allowedErrors: [/WebSocket connection .* failed|status of 400/] });

    test("take words and regular expressions, and say what is wrong with one", async ({ page, startContainer }) => {
      startContainer({ name: "e2e-text", script: saying("Order 17 accepted", "order 18 refused", "a (bracket", "nothing else") });
      const lines = await signInAndOpenLogs(page, ["e2e-text"]);
      await expect(lines.rows).toHaveCount(4);

      await lines.search.fill("order");
      await expect(lines.rows).toHaveCount(2);
      await expect(page).toHaveURL(/search=order/);
      await expect(lines.rows.first().locator("mark")).toHaveText("Order");
      // A capital makes it strict.
      await lines.search.fill("Order");
      await expect(lines.rows).toHaveCount(1);
      await lines.search.fill("order");
      await lines.toggle("Invert").click();
      await expect(lines.rows).toHaveText([/a \(bracket/, /nothing else/]);
      await lines.toggle("Invert").click();

      await lines.toggle("Regular expression").click();
      await lines.search.fill("order 1[7]");
      await expect(lines.rows).toHaveCount(1);
      // What is no expression is told at the field; the lines of the one before stay, and so does their connection.
      await lines.search.fill("a (");
      await expect(lines.search).toHaveAttribute("aria-invalid", "true");
      await expect(page.locator("#log-search-error")).toHaveText(/unclosed group.*the search before/);
      await expect(lines.rows).toHaveText([/Order 17 accepted/]);
      await expect(lines.state).toHaveText("Live");
      await expect(page.getByRole("button", { name: "Try again" })).toHaveCount(0);
      await lines.toggle("Regular expression").click();
      await expect(lines.rows).toHaveText([/a \(bracket/]);
      await expect(lines.search).toHaveAttribute("aria-invalid", "false");
    });

    test("say of a link with a wrong expression that nothing is searched, until it is mended", async ({ page, startContainer }) => {
      startContainer({ name: "e2e-badlink", script: saying("order 17") });
      await signIn(page);
      await open(page, "/logs?service=e2e-badlink&regex=true&search=a%20(");
      const lines = new Lines(page);
      await expect(lines.state).toHaveText("Nothing is searched");
      await expect(page.locator("#log-search-error")).toHaveText(/unclosed group/);
      await lines.search.fill("1[7]");
      await expect(lines.rows).toHaveText([/order 17/]);
      await expect(lines.state).toHaveText("Live");
    });
  });

  test("come and go without moving the lines", async ({ page, startContainer }) => {
    startContainer({ name: "e2e-still", script: saying("level=info msg=calm", "level=error msg=broken") });
    const lines = await signInAndOpenLogs(page, ["e2e-still"]);
    await expect(lines.rows).toHaveCount(2);
    const before = await lines.list.boundingBox();
    await page.getByRole("group", { name: "Levels" }).getByRole("button", { name: "error" }).click();
    await expect(lines.rows).toHaveCount(1);
    await expect(page.getByRole("button", { name: "Clear all" })).toBeVisible();
    expect(await lines.list.boundingBox()).toEqual(before);
    await page.getByRole("button", { name: "Clear all" }).click();
    await expect(lines.rows).toHaveCount(2);
    await expect(page.getByRole("button", { name: "Clear all" })).toBeHidden();
    expect(await lines.list.boundingBox()).toEqual(before);
  });

  test("that nothing passes say so and offer the way back", async ({ page, startContainer }) => {
    startContainer({ name: "e2e-nothing", script: saying("something") });
    const lines = await signInAndOpenLogs(page, ["e2e-nothing"], "&search=absent");
    await expect(page.getByText("Nothing matches")).toBeVisible();
    await page.getByRole("button", { name: "Clear filters" }).click();
    await expect(lines.with("something")).toBeVisible();
  });
});

test("highlighting keeps all lines and n and N go from match to match", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-mark", script: saying("a needle", "hay", "needle again", "more hay", "last needle") });
  const lines = await signInAndOpenLogs(page, ["e2e-mark"]);
  await expect(lines.rows).toHaveCount(5);
  await lines.toggle("Highlight only").click();
  await lines.search.fill("needle");
  await expect(page.getByText("3 matches")).toBeVisible();
  await expect(lines.rows).toHaveCount(5);
  await expect(lines.list.locator("mark")).toHaveText(["needle", "needle", "needle"]);
  await lines.list.focus();
  await page.keyboard.press("n");
  await expect(page.getByText("1 of 3")).toBeVisible();
  await page.keyboard.press("n");
  await page.keyboard.press("n");
  await expect(page.getByText("3 of 3")).toBeVisible();
  await expect(lines.list.locator("[data-selected]")).toContainText("last needle");
  await page.keyboard.press("N");
  await expect(page.getByText("2 of 3")).toBeVisible();
  await page.getByRole("button", { name: "Previous match" }).click();
  await expect(page.getByText("1 of 3")).toBeVisible();
});

test("several services are merged in the order of time", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-left", script: counting("left") });
  startContainer({ name: "e2e-right", script: counting("right") });
  const lines = await signInAndOpenLogs(page, ["e2e-left", "e2e-right"]);
  await expect(page.getByText("e2e-left, e2e-right")).toBeVisible();
  await expect(lines.with("left 20").first()).toBeVisible();
  await expect(lines.with("right 20").first()).toBeVisible();
  await page.keyboard.press("Space");
  const ids = await lines.ids();
  expect(ids.length).toBeGreaterThan(20);
  expect(ids).toEqual([...ids].sort());
  const services = await lines.rows.locator(".log-service").allTextContents();
  const changes = services.filter((service, at) => at > 0 && service !== services[at - 1]).length;
  expect(changes, services.join(" ")).toBeGreaterThan(5);
});

test.describe("pausing", () => {
  test("by Space holds what is seen while lines arrive, and Space goes on", async ({ page, startContainer }) => {
    startContainer({ name: "e2e-pause", script: "flood", rate: 100 });
    const lines = await signInAndOpenLogs(page, ["e2e-pause"]);
    await lines.reached(60);
    await lines.list.focus();
    await page.keyboard.press("Space");
    await expect(lines.paused).toBeVisible();
    const before = await lines.firstInView();
    await lines.waitForFresh(100);
    expect(await lines.firstInView()).toEqual(before);
    await page.keyboard.press("Space");
    await expect(lines.paused).toHaveCount(0);
    await expect.poll(async () => (await lines.firstInView()).id > before.id).toBe(true);
  });

  test("by scrolling up does the same, and the button resumes", async ({ page, startContainer }) => {
    startContainer({ name: "e2e-scroll", script: "flood", rate: 100 });
    const lines = await signInAndOpenLogs(page, ["e2e-scroll"]);
    await lines.reached(100);
    await lines.list.hover();
    await page.mouse.wheel(0, -300);
    await expect(lines.paused).toBeVisible();
    await lines.waitForFresh(1);
    const before = await lines.firstInView();
    await lines.waitForFresh(100);
    expect(await lines.firstInView()).toEqual(before);
    await page.getByRole("button", { name: "Resume" }).click();
    await expect(lines.paused).toHaveCount(0);
    await expect.poll(async () => (await lines.firstInView()).id > before.id).toBe(true);
    await lines.list.hover();
    await page.mouse.wheel(0, -300);
    await expect(lines.paused).toBeVisible();
    await page.keyboard.press("End");
    await expect(lines.paused).toHaveCount(0);
  });

  test("by selecting text, which stays selected", async ({ page, startContainer }) => {
    startContainer({ name: "e2e-select", script: "flood", rate: 100 });
    const lines = await signInAndOpenLogs(page, ["e2e-select"]);
    await lines.reached(60);
    await page.keyboard.press("Space");
    const first = await lines.firstInView();
    const row = lines.list.locator(`[data-id="${first.id}"] ~ .log-row .log-text`).nth(4);
    const box = await row.boundingBox();
    if (box === null) throw new Error("the row is not drawn");
    await page.mouse.move(box.x + 4, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + 160, box.y + box.height / 2, { steps: 5 });
    await page.mouse.up();
    const selected = await page.evaluate(() => String(getSelection()));
    expect(selected.length).toBeGreaterThan(5);
    const where = await lines.firstInView();
    await lines.waitForFresh(100);
    expect(await page.evaluate(() => String(getSelection()))).toBe(selected);
    expect(await lines.firstInView()).toEqual(where);
  });
});

test("a flood leaves gaps, and one click fills a gap with every line", async ({ page, startContainer }) => {
  test.setTimeout(90_000);
  const count = 60_000;
  startContainer({ name: "e2e-flood", script: ["sh", "-c", "until [ -e /tmp/go ]; do usleep 50000; done; RATE=20000 COUNT=60000 STAY=1 /bin/sh /demo/run flood"] });
  const lines = await signInAndOpenLogs(page, ["e2e-flood"]);
  docker("exec", "e2e-flood", "touch", "/tmp/go");
  await expect(lines.seq(count)).toBeVisible({ timeout: 40_000 });
  await lines.list.focus();
  await page.keyboard.press("Space");
  const gap = lines.list.getByRole("button", { name: /lines skipped/ });
  const found = await lines.walk("up", async () => ((await gap.count()) > 0 ? true : undefined));
  expect(found, "a gap among the lines held").toBe(true);
  const last = gap.last();
  const skipped = Number(/^([\d,]+) lines skipped/.exec((await last.textContent()) ?? "")?.[1]?.replaceAll(",", ""));
  const gapId = await last.evaluate((button) => button.closest("[data-gap]")?.getAttribute("data-gap") ?? "");
  expect(skipped).toBeGreaterThan(0);
  const gapRow = lines.list.locator(`[data-gap="${gapId}"]`);
  const sequence = (row: string | null): number => Number(/seq=(\d+)/.exec(row ?? "")?.[1]);
  const before = sequence(await gapRow.locator("xpath=preceding-sibling::div[1]").textContent());
  const after = sequence(await gapRow.locator("xpath=following-sibling::div[1]").textContent());
  expect(after - before - 1, "the number told is the number missing").toBe(skipped);
  await last.click();
  await expect(gapRow).toHaveCount(0);
  // Every one is there now.
  const seen = new Set<number>();
  await lines.walk("up", async () => {
    for (const text of await lines.texts()) seen.add(sequence(text));
    return seen.has(before) ? true : undefined;
  });
  await lines.walk("down", async () => {
    for (const text of await lines.texts()) seen.add(sequence(text));
    return seen.has(after) ? true : undefined;
  });
  const missing = Array.from({ length: after - before - 1 }, (_, at) => before + 1 + at).filter((number) => !seen.has(number));
  expect(missing).toEqual([]);
});

test("scrolling up loads what Docker still has, down to the first line", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-back", script: "flood", rate: 20_000, count: 8_000, stay: true });
  await signIn(page);
  await waitFor("all lines", 20_000, async () => {
    const answer = await page.request.get("/api/v1/logs/e2e-back?limit=1");
    return answer.ok() && (await answer.text()).includes("seq=8000 ");
  });
  const lines = await openLogs(page, ["e2e-back"]);
  await expect(lines.seq(8000)).toBeVisible();
  await lines.list.focus();
  await expect(async () => {
    await page.keyboard.press("g");
    await expect(lines.seq(1)).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 20_000 });
  await expect(page.getByText("That is the beginning")).toBeVisible();
  await page.keyboard.press("G");
  await expect(lines.seq(8000)).toBeVisible();
});

test("the link of a line shows that line to somebody else", async ({ page, context, newVisitor, startContainer }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  startContainer({ name: "e2e-link", script: "flood", rate: 500, count: 1_500, stay: true });
  const lines = await signInAndOpenLogs(page, ["e2e-link"]);
  await expect(lines.seq(1500)).toBeVisible();
  await lines.list.focus();
  await page.keyboard.press("Space");
  await lines.walk("up", async () => ((await lines.seq(1234).count()) > 0 ? true : undefined));
  await lines.seq(1234).click();
  await page.getByRole("button", { name: "Copy link" }).click();
  await expect(page.getByText("Link copied")).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  expect(link).toContain("/logs?service=e2e-link&at=");

  const reader = await newVisitor();
  const user = { ...ADA, name: "ada-link" };
  await addUser(page, user, "developer");
  await reader.goto(link);
  await expect(reader).toHaveURL(/\/login\?next=/);
  await reader.getByLabel("User name").fill(user.name);
  await reader.getByLabel("Password", { exact: true }).fill(user.password);
  await reader.getByRole("button", { name: "Sign in" }).click();
  await expect(reader).toHaveURL(link);
  const there = new Lines(reader);
  await expect(there.list.locator("[data-selected]")).toContainText("seq=1234");
  await expect(there.seq(1234)).toBeInViewport();
  await expect(there.seq(1233)).toBeInViewport();
  await expect(there.seq(1235)).toBeInViewport();
  await expect(there.state).toHaveText("Around the line of a link");
  await reader.getByRole("button", { name: "Jump to live" }).click();
  await expect(there.state).toHaveText("Live");
  await expect(there.seq(1500)).toBeVisible();
});

test.describe("keys", () => {
  test("the sheet of keys opens with ? and closes with Esc", async ({ page }) => {
    await signInAndOpenLogs(page, ["console"]);
    await page.keyboard.press("?");
    const sheet = page.getByRole("dialog", { name: "Keyboard" });
    await expect(sheet).toContainText("Next or previous match");
    await expect(sheet).toContainText("Go to a page or service");
    await page.keyboard.press("Escape");
    await expect(sheet).toBeHidden();
    await page.keyboard.press("/");
    await expect(page.getByRole("searchbox", { name: "Search lines" })).toBeFocused();
    await page.keyboard.type("?");
    await expect(sheet).toBeHidden();
  });

  test("go to errors, open, copy and move to either end", async ({ page, context, startContainer }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const filler = Array.from({ length: 60 }, (_, at) => `level=info msg="filler ${at}"`);
    startContainer({ name: "e2e-keys", script: saying("the very first line", 'level=error msg="one failure"', ...filler, 'level=error msg="another failure"', "the very last line") });
    const lines = await signInAndOpenLogs(page, ["e2e-keys"]);
    const selected = lines.list.locator("[data-selected]");
    await expect(lines.with("the very last line")).toBeVisible();
    await lines.list.focus();
    await page.keyboard.press("g");
    await expect(lines.with("the very first line")).toBeInViewport();
    await page.keyboard.press("e");
    await expect(selected).toContainText("one failure");
    await page.keyboard.press("e");
    await expect(selected).toContainText("another failure");
    await expect(selected).toBeInViewport();
    await page.keyboard.press("Shift+E");
    await expect(selected).toContainText("one failure");
    await page.keyboard.press("Enter");
    await expect(selected.getByRole("table").getByRole("rowheader")).toHaveText(["level", "msg"]);
    await page.keyboard.press("Enter");
    await expect(selected.getByRole("table")).toHaveCount(0);
    await page.keyboard.press("c");
    await expect(page.getByText("Line copied")).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('level=error msg="one failure"');
    await page.keyboard.press("j");
    await expect(selected).toContainText("filler 0");
    await page.keyboard.press("k");
    await expect(selected).toContainText("one failure");
    await page.keyboard.press("Escape");
    await expect(selected).toHaveCount(0);
    await page.keyboard.press("Shift+G");
    await expect(lines.with("the very last line")).toBeInViewport();
    await expect(lines.paused).toHaveCount(0);
  });
});

test("long lines wrap when asked to, and the choice stays", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-wrap", script: saying("short", `long ${"word ".repeat(400)}end`) });
  const lines = await signInAndOpenLogs(page, ["e2e-wrap"]);
  const height = async (text: string): Promise<number> => (await lines.with(text).boundingBox())?.height ?? 0;
  await expect(lines.with("long word")).toBeVisible();
  expect(await height("long word")).toBe(await height("short"));
  await lines.toggle("Wrap lines").click();
  await expect.poll(() => height("long word")).toBeGreaterThan(5 * (await height("short")));
  await page.reload();
  await alive(page);
  await expect(lines.toggle("Wrap lines")).toHaveAttribute("aria-pressed", "true");
  await expect(lines.with("long word")).toBeVisible();
  await expect.poll(() => height("long word")).toBeGreaterThan(5 * (await height("short")));
});

test("a stack trace is one message whose lines can be folded", async ({ page, startContainer }) => {
  const trace = ["2026-11-22 10:00:00,000 ERROR [main] shop.Billing - it broke", "java.lang.IllegalStateException: no address", "\tat shop.Invoice.create(Invoice.java:87)", "\tat shop.Main.main(Main.java:3)"];
  startContainer({ name: "e2e-trace", script: saying(...trace, "2026-11-22 10:00:01,000 INFO  [main] shop.Billing - goes on") });
  const lines = await signInAndOpenLogs(page, ["e2e-trace"]);
  await expect(lines.rows).toHaveCount(5);
  await expect(lines.rows.nth(2)).toHaveAttribute("data-level", "error");
  await lines.rows.first().getByRole("button", { name: "Fold lines" }).click();
  await expect(lines.rows).toHaveText([/it broke/, /goes on/]);
  await lines.rows.first().getByRole("button", { name: "Unfold lines" }).click();
  await expect(lines.rows).toHaveCount(5);
});

test("a selection over several rows is copied as a line for each", async ({ page, context, startContainer }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  startContainer({ name: "e2e-copy", script: saying("level=info msg=before", "level=warn msg=first", "level=error msg=second", "level=info msg=third") });
  const lines = await signInAndOpenLogs(page, ["e2e-copy"]);
  await expect(lines.rows).toHaveCount(4);
  await lines.rows.locator(".log-text").evaluateAll((texts) => {
    const [, first, , third] = texts;
    if (first === undefined || third === undefined) throw new Error("four rows");
    getSelection()?.setBaseAndExtent(first, 0, third, third.childNodes.length);
  });
  await expect(lines.paused).toBeVisible();
  await page.keyboard.press("Control+C");
  const copied = (await page.evaluate(() => navigator.clipboard.readText())).split("\n");
  expect(copied).toHaveLength(3);
  expect(copied[0]).toBe("first");
  expect(copied[1]).toMatch(/^\d\S*( \S+)? ERR second$/);
  expect(copied[2]).toMatch(/^\d\S*( \S+)? INF third$/);
});

test("the buttons of a selected line lie over no text of it", async ({ page, startContainer }) => {
  startContainer({ name: "e2e-buttons", script: saying("short", `long ${"word ".repeat(60)}end`) });
  const lines = await signInAndOpenLogs(page, ["e2e-buttons"]);
  for (const wraps of [false, true]) {
    if (wraps) await lines.toggle("Wrap lines").click();
    await lines.with("long word").click({ position: { x: 200, y: 8 } });
    await lines.list.evaluate((list) => (list.scrollLeft = list.scrollWidth));
    const buttons = await page.getByRole("button", { name: "Copy line" }).boundingBox();
    const text = await lines.with("long word").locator(".log-text").boundingBox();
    expect((text?.x ?? 0) + (text?.width ?? Infinity), `wraps: ${wraps}`).toBeLessThanOrEqual(buttons?.x ?? 0);
  }
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test("the filters are folded into one line that counts them, and a finger resumes", async ({ page, startContainer }) => {
    startContainer({ name: "e2e-phone", script: "flood", rate: 50 });
    const lines = await signInAndOpenLogs(page, ["e2e-phone"], "&level=info");
    await lines.reached(40);
    const bar = await page.locator(".logs-bar").boundingBox();
    expect(bar?.height).toBeLessThanOrEqual(60);
    await expect(lines.search).toBeHidden();
    await page.getByRole("button", { name: "Filters (1)" }).tap();
    await lines.search.fill("quick");
    await expect(page.getByRole("button", { name: "Filters (2)" })).toBeVisible();
    await page.getByRole("button", { name: "Filters (2)" }).tap();
    await expect(lines.search).toBeHidden();
    await expect(lines.rows.locator("mark").first()).toHaveText("quick");

    await page.getByRole("button", { name: "Pause" }).tap();
    await expect(lines.paused).toBeVisible();
    await expect(page.getByText("to resume")).toBeHidden();
    await page.getByRole("button", { name: "Resume" }).tap();
    await expect(lines.paused).toHaveCount(0);
  });
});

test.describe("a restart", () => {
  // The browser's word for a server that is not there.
  test.use({ allowedErrors: [/WebSocket connection .* failed|ERR_CONNECTION_REFUSED|status of 404/] });

  test("of the console is told and gone through without a lost line", async ({ page, startConsole, startContainer }) => {
    startContainer({ name: "e2e-restart", script: "flood", rate: 50 });
    const own = await startConsole({ password: ADMIN.password });
    await signIn(page, ADMIN, own.url);
    await waitFor("the service", 10_000, async () => (await (await page.request.get(`${own.url}/api/v1/logs/services`)).text()).includes("e2e-restart"));
    await open(page, `${own.url}/logs?service=e2e-restart`);
    const lines = new Lines(page);
    await lines.reached(20);
    await own.end("SIGKILL");
    await expect(lines.state).toHaveText(/^Connection to the console lost/);
    await own.restart();
    await expect(lines.state).toHaveText("Live", { timeout: 20_000 });
    const last = Number(/seq=(\d+)/.exec((await lines.texts()).at(-1) ?? "")?.[1]);
    await lines.reached(last + 50);
    await page.keyboard.press("Space");
    const seen = new Set<number>();
    await lines.walk("up", async () => {
      for (const text of await lines.texts()) seen.add(Number(/seq=(\d+)/.exec(text)?.[1]));
      return undefined;
    });
    const numbers = [...seen].sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, at) => (numbers[0] ?? 0) + at));
    expect(numbers[0]).toBe(1);
  });
});
