// A program that logs numbered lines through a real client of Loki's API or of OTLP, as its documentation says to use it.
// usage: node senders.mjs pino|winston|otlp URL TOKEN SERVICE SECONDS RATE   ends when the client says that it is done; `written N` on stdout
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [kind, url, token, service, seconds, rate] = process.argv.slice(2);
const authorization = `Bearer ${token}`;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const makers = {
  async pino() {
    const { default: pino } = await import("pino");
    const { pinoLoki } = await import("pino-loki");
    const stream = pinoLoki({ host: url, endpoint: "/loki/loki/api/v1/push", headers: { Authorization: authorization }, labels: { service_name: service }, batching: { interval: 1 } });
    const log = pino({ level: "debug" }, stream);
    return { log: (text) => log.info(text), end: () => new Promise((done) => stream.once("close", done).end()) };
  },
  async winston() {
    const winston = require("winston");
    const LokiTransport = require("winston-loki");
    const told = [];
    const transport = new LokiTransport({
      ...{ host: url, headers: { Authorization: authorization }, labels: { service_name: service }, interval: 1, gracefulShutdown: false },
      onConnectionError: (error) => told.push(String(error)),
    });
    // Its address is the host's root and Loki's path.
    transport.batcher.url = new URL("/loki/loki/api/v1/push", url);
    const log = winston.createLogger({ level: "debug", transports: [transport] });
    return { log: (text) => log.info(text), end: () => transport.flush().then(() => told.length > 0 && console.error(`${told.length} errors, the first: ${told[0]}`)) };
  },
  async otlp() {
    const { LoggerProvider, BatchLogRecordProcessor } = require("@opentelemetry/sdk-logs");
    const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-proto");
    const { resourceFromAttributes } = require("@opentelemetry/resources");
    const { diag, DiagLogLevel } = require("@opentelemetry/api");
    diag.setLogger({ error: console.error, warn: console.error, info: () => undefined, debug: () => undefined, verbose: () => undefined }, DiagLogLevel.WARN);
    const exporter = new OTLPLogExporter({ url: `${url}/loki/otlp/v1/logs`, headers: { Authorization: authorization }, timeoutMillis: 30_000 });
    const processor = new BatchLogRecordProcessor({ exporter, scheduledDelayMillis: 1_000, exportTimeoutMillis: 30_000, maxQueueSize: 100_000 });
    const provider = new LoggerProvider({ resource: resourceFromAttributes({ "service.name": service }), processors: [processor] });
    const logger = provider.getLogger("senders");
    return { log: (text) => logger.emit({ severityNumber: 9, severityText: "INFO", body: text }), end: () => provider.shutdown() };
  },
};

const client = await makers[kind]();
const began = Date.now();
let written = 0;
while (Date.now() - began < Number(seconds) * 1_000) {
  const due = Math.floor(((Date.now() - began) / 1_000) * Number(rate));
  while (written < due) client.log(`${service} seq=${(written += 1)} t=${Date.now()} end`);
  await pause(20);
}
await client.end();
console.log(`written ${written}`);
process.exit(0);
