import WebSocket from "ws";
import type { Fault } from "./kit/fault";
import { Loki, type Answer, type Params } from "./kit/loki";

type Streams = { resultType: string; result: { stream: Record<string, string>; values: [string, string, object?][] }[]; stats: { summary: object }; encodingFlags?: string[] };
type Matrix = { resultType: string; result: { metric: Record<string, string>; values: [number, string][] }[] };

/** Grafana's Go proxy asks for it, and understands the third member of a value by it. */
const CATEGORIZE = { "x-loki-response-encoding-flags": "categorize-labels" };
const LINES = 240;

export default {
  holds: "the calls that Grafana makes (Save & test, Explore, live, Logs Drilldown), in their order: answered without an error and in the shapes it reads",
  limit: [60, 60],
  async run(world) {
    const { console: server } = await world.console();
    const loki = await Loki.of(server);
    world.after(() => loki.close());
    const now = BigInt(Date.now()) * 1_000_000n;
    const second = 1_000_000_000n;
    const ms = (at: bigint) => new Date(Number(at / 1_000_000n)).toISOString();
    const levels = ["info", "info", "warn", "error"];
    const line = (at: number) => `{"level":"${levels[at % 4]}","msg":"order ${at} done","status":${at % 20 === 0 ? 500 : 200},"user":"u${at % 7}"}`;
    for (const [service, job] of [["shop", "json"], ["mail", "logfmt"]]) {
      const values = Array.from({ length: LINES }, (_, at) => [String(now - BigInt(LINES - at) * second), job === "json" ? line(at) : `level=${levels[at % 4]} msg="mail ${at} sent" user=u${at % 7}`] as [string, string]);
      const { status, text } = await loki.push([{ stream: { service_name: service, env: "prod" }, values }]);
      world.ensure(status === 204, `the push answers ${status}: ${text}`);
    }

    let calls = 0;
    const ask = async (endpoint: string, params: Params, headers: Record<string, string> = {}): Promise<Answer> => {
      calls += 1;
      const query = new URLSearchParams(Object.entries(params).map(([name, value]) => [name, String(value)]));
      const answer = await loki.send("GET", `/loki/loki/api/v1/${endpoint}?${query}`, undefined, headers);
      world.ensure(answer.status === 200, `${endpoint}?${query} answers ${answer.status}: ${answer.text.slice(0, 300)}`);
      return answer;
    };
    const json = async <T>(endpoint: string, params: Params, headers: Record<string, string> = {}): Promise<T> => JSON.parse((await ask(endpoint, params, headers)).text) as T;
    const data = async <T>(endpoint: string, params: Params, headers: Record<string, string> = {}): Promise<T> => {
      const { status, data: inner } = await json<{ status: string; data: T }>(endpoint, params, headers);
      world.ensure(status === "success", `${endpoint} says ${status}`);
      return inner;
    };
    const same = (what: string, found: unknown, wanted: unknown) =>
      world.ensure(JSON.stringify(found) === JSON.stringify(wanted), `${what}: ${JSON.stringify(found)} for ${JSON.stringify(wanted)}`);

    // Save & test. The time is in the year 2096.
    const two = await data<{ resultType: string; result: { value: [number, string] }[] }>("query", { direction: "", query: "vector(1)+vector(1)", time: "4000000000" });
    same("Save & test", [two.resultType, two.result.map(({ value }) => value)], ["vector", [[4_000_000_000, "2"]]]);

    // Explore opens: its language provider.
    const range = { start: now - 3_600n * second, end: now + second };
    const detected = await json<{ detectedLabels: { label: string; cardinality: number }[] }>("detected_labels", range);
    world.ensure(detected.detectedLabels.some(({ label, cardinality }) => label === "service_name" && cardinality >= 2), `detected_labels: ${JSON.stringify(detected)}`);
    const labels = await data<string[]>("labels", range);
    world.ensure(["env", "service_name"].every((name) => labels.includes(name)), `labels: ${labels}`);
    const values = await data<string[]>("label/service_name/values", { ...range, query: '{env="prod"}' });
    same("values", values, ["mail", "shop"]);
    const series = await data<Record<string, string>[]>("series", { ...range, "match[]": '{service_name="shop"}' });
    same("series", series, [{ env: "prod", service_name: "shop" }]);
    const fields = await json<{ fields: { label: string; type: string; cardinality: number; parsers: string[] | null }[] }>("detected_fields", { ...range, query: '{service_name="shop"}', limit: 1_000 });
    const field = (name: string) => fields.fields.find(({ label }) => label === name);
    same("a field", [field("status")?.type, field("status")?.parsers, field("user")?.cardinality], ["int", ["json"], 7]);
    world.ensure(field("env") === undefined && field("service_name") === undefined, "detected_fields has labels among its fields");
    const users = await json<{ values: string[] }>("detected_field/user/values", { ...range, query: '{service_name="shop"}', limit: 1_000 });
    same("a field's values", users.values.toSorted(), Array.from({ length: 7 }, (_, at) => `u${at}`));
    // On every keystroke.
    for (const query of ['{service_name="shop"}', '{service_name=~"sh.+"}']) {
      const stats = await json<{ streams: number; chunks: number; entries: number; bytes: number }>("index/stats", { ...range, query });
      same("index/stats", [stats.streams, stats.entries, stats.bytes > 0, stats.chunks > 0], [1, LINES, true, true]);
    }

    // Explore runs: lines and their histogram, a sample, more on scrolling.
    const rows = await data<Streams>("query_range", { query: '{service_name="shop"} |= ``', direction: "backward", limit: 100, step: "14000ms", ...range }, { ...CATEGORIZE, "x-query-tags": "Source=explore" });
    same("lines", [rows.resultType, rows.result.reduce((sum, one) => sum + one.values.length, 0)], ["streams", 100]);
    same("flags", rows.encodingFlags, ["categorize-labels"]);
    world.ensure(rows.result.every((one) => one.values.every(([at, text, more]) => /^\d{19}$/.test(at) && typeof text === "string" && typeof more === "object")), "a value is not time, line and what is known of it");
    const histogram = await data<Matrix>(
      "query_range",
      { query: 'sum by (level, detected_level) (count_over_time({service_name="shop"} |= `` | drop __error__[10s]))', step: "10000ms", ...range },
      { "x-query-tags": "Source=logvolhist" },
    );
    same("the histogram", [histogram.resultType, histogram.result.map(({ metric }) => metric.detected_level).toSorted()], ["matrix", ["error", "info", "warn"]]);
    await data<Streams>("query_range", { query: '{service_name="shop"}', direction: "backward", limit: 10, step: "1000ms", ...range }, { "x-query-tags": "Source=logsample" });
    const oldest = rows.result.flatMap((one) => one.values.map(([at]) => BigInt(at))).reduce((least, at) => (at < least ? at : least));
    const more = await data<Streams>("query_range", { query: '{service_name="shop"} |= ``', direction: "backward", limit: 100, step: "14000ms", start: range.start, end: oldest }, { ...CATEGORIZE, "x-query-tags": "Source=infinitescroll" });
    world.ensure(more.result.every((one) => one.values.every(([at]) => BigInt(at) < oldest)), "scrolling gives lines again");
    const instant = await data<{ resultType: string; result: { metric: Record<string, string>; value: [number, string] }[] }>("query", {
      ...{ query: 'sum by (service_name) (count_over_time({env="prod"}[1h]))', direction: "backward", time: range.end },
    });
    same("an instant query", instant.result.map(({ metric, value }) => [metric.service_name, value[1]]).toSorted(), [["mail", "240"], ["shop", "240"]]);
    // An empty answer, and a wrong query, which Grafana shows as it is.
    const nothing = await data<Streams>("query_range", { query: '{service_name="nobody"}', limit: 100, ...range });
    same("nothing", nothing.result, []);
    const wrong = await loki.get("query_range", { query: '{service_name="shop"', ...range });
    world.ensure(wrong.status === 400 && wrong.text.startsWith("parse error"), `a wrong query answers ${wrong.status}: ${wrong.text}`);

    // Live.
    const told = await live(server.url, loki, now);
    same("live", told, ["live 1", "live 2"]);

    // Logs Drilldown: times in RFC 3339 with milliseconds.
    const drill = { "x-query-tags": "Source=grafana-lokiexplore-app" };
    const span = { start: ms(range.start), end: ms(range.end) };
    const volume = await data<{ resultType: string; result: { metric: Record<string, string>; value: [number, string] }[] }>("index/volume", { ...span, query: '{service_name=~".+"}', limit: 5_000, targetLabels: "service_name" }, drill);
    const volumes = Object.fromEntries(volume.result.map(({ metric, value }) => [metric.service_name, Number(value[1])]));
    world.ensure(volume.resultType === "vector" && volumes.shop > 0 && volumes.mail > 0, `index/volume: ${JSON.stringify(volume).slice(0, 300)}`);
    const volumeRange = await data<Matrix>("index/volume_range", { ...span, query: '{service_name=~".+"}', limit: 5_000, step: "60s", targetLabels: "service_name" }, drill);
    same("index/volume_range", volumeRange.resultType, "matrix");
    await ask("drilldown-limits", {}, drill);
    const again = await json<{ detectedLabels: { label: string }[] }>("detected_labels", { ...span, query: '{service_name="shop"}' }, drill);
    world.ensure(again.detectedLabels.some(({ label }) => label === "env"), "detected_labels of a service has no env");
    const pick = await json<{ fields: { label: string }[] }>("detected_fields", { ...span, query: '{service_name="shop"} | json | logfmt | drop __error__, __error_details__', limit: 1_000 }, drill);
    world.ensure(pick.fields.some(({ label }) => label === "status"), "detected_fields of a pipeline has no status");
    const patterns = await data<{ pattern: string; samples: [number, number][] }[]>("patterns", { ...span, query: '{service_name="mail"}', step: "10s" }, drill);
    world.ensure(patterns.length > 0 && patterns.every(({ pattern, samples }) => pattern !== "" && samples.every(([at, times]) => at > 1e9 && times > 0)), `patterns: ${JSON.stringify(patterns).slice(0, 300)}`);
    await data<string[]>("labels", span, drill);
    const level = await json<{ values: string[] }>("detected_field/level/values", { ...span, query: '{service_name="mail"} | json | logfmt | drop __error__, __error_details__' }, drill);
    same("levels", level.values.toSorted(), ["error", "info", "warn"]);
    const logs = await data<Streams>("query_range", { ...span, query: '{service_name="shop"} | json | logfmt | drop __error__, __error_details__', limit: 1_000, direction: "backward", step: "14000ms" }, { ...CATEGORIZE, ...drill });
    same("its lines", logs.result.reduce((sum, one) => sum + one.values.length, 0), LINES);
    const by = await data<Matrix>("query_range", { ...span, query: 'sum by (user) (count_over_time({service_name="shop"} | json | drop __error__, __error_details__ | user!="" [10s]))', step: "10s" }, drill);
    same("a field's chart", by.result.length, 7);
    const unknown = await json<{ values?: string[] | null }>("detected_field/nobody/values", { ...span, query: '{service_name="shop"}' }, drill);
    same("an unknown field", unknown.values ?? [], []);
    world.note(`${calls} calls`);
  },
} satisfies Fault;

/** What a tail tells of two lines that are pushed after it was opened, as Grafana's browser opens it. */
async function live(url: string, loki: Loki, start: bigint): Promise<string[]> {
  const query = encodeURIComponent('{service_name="tailed"}');
  const socket = new WebSocket(`${url.replace("http", "ws")}/loki/loki/api/v1/tail?query=${query}&start=${start}`, { headers: { authorization: `Bearer ${loki.token}` } });
  const lines: string[] = [];
  try {
    await new Promise<void>((done, fail) => {
      const late = setTimeout(() => fail(new Error(`live: only ${lines} came in 10 s`)), 10_000);
      socket.on("error", fail);
      socket.on("open", () => {
        const values = [1, 2].map((at) => [String(BigInt(Date.now()) * 1_000_000n + BigInt(at)), `live ${at}`] as [string, string]);
        loki.push([{ stream: { service_name: "tailed" }, values }]).catch(fail);
      });
      socket.on("message", (text) => {
        const { streams } = JSON.parse(text.toString()) as { streams: { values: [string, string][] }[] | null };
        for (const { values } of streams ?? []) lines.push(...values.map(([, line]) => line));
        if (lines.length >= 2) {
          clearTimeout(late);
          done();
        }
      });
    });
  } finally {
    socket.terminate();
  }
  return lines;
}
