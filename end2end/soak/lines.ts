import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runContainer } from "../docker";
import { launch, logsOf, ROW, visit } from "./kit/browser";
import type { Fault } from "./kit/fault";
import { Viewer } from "./kit/viewer";

const LONG = 1 << 20;
/** What a program writes, and how the line reads. `#` stands for the long line. */
const CASES: { bytes: string; reads: RegExp }[] = [
  { bytes: "first\\n", reads: /^first$/ },
  { bytes: "#", reads: new RegExp("^x+$") },
  { bytes: "bad \\377\\376 and \\303( end\\n", reads: /^bad \uFFFD+ and \uFFFD\( end$/ },
  { bytes: "nul \\000 here\\n", reads: /^nul \0 here$/ },
  { bytes: "\\033[31m\\033[1m\\033[0m\\n", reads: /^(\x1b\[\d+m)+$/ },
  { bytes: "\\033[31m\\n", reads: /^\x1b\[31m$/ },
  { bytes: "half \\360\\237\\n", reads: /^half \uFFFD+$/ },
  { bytes: "carriage\\r\\n", reads: /^carriage\r?$/ },
  { bytes: "last\\n", reads: /^last$/ },
];

export default {
  holds: "a line of 1 MB, invalid UTF-8, NUL bytes, a line of only ANSI: each is one line, on the socket, by paging and in the page",
  limit: [60, 120],
  async run(world) {
    const { console: server, api } = await world.console();
    const print = CASES.map(({ bytes }) => (bytes === "#" ? `head -c ${LONG} /dev/zero | tr '\\0' x; echo` : `printf '${bytes}'`));
    const wait = "while [ ! -e /tmp/go ]; do usleep 20000; done";
    const container = runContainer({ name: "odd", script: ["sh", "-c", [wait, ...print, "sleep 600"].join("; ")] });
    writeFileSync(join(server.logDir, "oddfile.log"), "");
    const browser = await launch();
    world.after(() => browser.close());
    for (const service of ["odd", "oddfile"]) {
      await api.knows(service);
      const viewer = await Viewer.watch(api, service);
      world.after(() => viewer.end());
      if (service === "odd") container.exec("touch", "/tmp/go");
      // The same bytes as the container writes.
      else writeFileSync(join(server.logDir, "oddfile.log"), Buffer.concat(CASES.map(({ bytes }) => raw(bytes))));
      await viewer.until(CASES.length, 15_000);
      const live = [...viewer.account.lines.values()];
      world.ensure(live.length === CASES.length, `${service}: ${live.length} live lines for ${CASES.length}`);
      const paged = await api.all(service);
      world.none(service, viewer.account.complaints(paged));
      CASES.forEach(({ bytes, reads }, at) => {
        for (const [way, message] of [["live", live[at]], ["paged", paged[at]?.message]] as const) {
          world.ensure(message !== undefined && reads.test(message), `${service}, ${way}, ${bytes}: ${JSON.stringify(message?.slice(0, 80))}`);
        }
      });
      const long = paged[1];
      world.note(`${service}: the long line came with ${live[1].length} bytes live, ${long.message.length} by paging${long.cut === undefined ? "" : ` of ${long.cut}`}`);
      world.ensure(live[1].length <= 16 * 1024, "the live line is not cut");
      world.ensure((long.cut ?? long.message.length) === LONG, `the long line is ${long.cut ?? long.message.length} bytes by paging`);
      const { page, complaints } = await visit(browser, api);
      await page.goto(logsOf(service));
      await page.locator(ROW, { hasText: "last" }).waitFor({ timeout: 10_000 });
      const rows = await page.locator(ROW).count();
      world.ensure(rows === CASES.length, `${service}: the page shows ${rows} rows for ${CASES.length} lines`);
      world.none(`the page of ${service}`, complaints);
      await page.context().close();
    }
  },
} satisfies Fault;

/** The bytes of a text for `printf`. */
function raw(text: string): Buffer {
  if (text === "#") return Buffer.concat([Buffer.alloc(LONG, "x"), Buffer.from("\n")]);
  const escapes: Record<string, number> = { n: 10, r: 13 };
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] !== "\\") bytes.push(text.charCodeAt(at));
    else if (/[0-7]/.test(text[at + 1])) {
      bytes.push(Number.parseInt(text.slice(at + 1, at + 4), 8));
      at += 3;
    } else bytes.push(escapes[text[(at += 1)]]);
  }
  return Buffer.from(bytes);
}
