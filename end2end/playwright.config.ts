import { defineConfig } from "@playwright/test";
import type { WorkerOptions } from "./fixtures";

// The machine's own Chromium, told to speak to nobody but the console. One worker: the tests share one Docker Engine, and two cores.
// DOCAICHE_SOAK=1 (`make soak`): the tests may take their time.
const soak = process.env.DOCAICHE_SOAK === "1";

export default defineConfig<object, WorkerOptions>({
  testDir: ".",
  testMatch: "**/*.spec.ts",
  workers: 1,
  // A second try where nobody watches: a machine that other things load must not decide. It is reported as flaky.
  retries: process.env.CI ? 1 : 0,
  fullyParallel: false,
  forbidOnly: true,
  reporter: [["list"]],
  timeout: soak ? 600_000 : 60_000,
  expect: { timeout: 10_000 },
  snapshotPathTemplate: "{testDir}/{testFileDir}/aria/{arg}{ext}",
  // The same tests of the same screens on both back-ends.
  projects: [
    { name: "embedded", use: { backend: "embedded" } },
    { name: "loki", testMatch: /pages\/(search|rooms)\.spec\.ts/, use: { backend: "loki" } },
  ],
  use: {
    browserName: "chromium",
    viewport: { width: 1280, height: 800 },
    locale: "en-GB",
    timezoneId: "UTC",
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
