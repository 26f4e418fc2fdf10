// Makes one table of the figures that benches left as lines of JSON; with a second file, adds it to that one's generated part.
// usage: node bench/table.mjs FIGURES [RESULTS.md "HEADING"]
import { readFileSync, writeFileSync } from "node:fs";

const [figures, results, heading] = process.argv.slice(2);
const rows = readFileSync(figures, "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line));
const cells = rows.map(({ bench, name, value, limit = "", ok }) => [bench, name, value, limit, ok === undefined ? "" : ok ? "ok" : "**missed**"]);
const table = [["bench", "figure", "value", "must be", ""], ["---", "---", "--:", "---", "---"], ...cells]
  .map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
  .join("\n");
console.log(table);
if (results !== undefined) {
  const begin = /<!-- runs:[^\n]*-->\n/;
  const text = readFileSync(results, "utf8");
  if (!begin.test(text)) throw new Error(`${results} has no generated part`);
  writeFileSync(results, text.replace(begin, (mark) => `${mark}\n## ${heading}\n\n${table}\n`));
}
