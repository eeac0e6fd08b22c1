// What the tests share: the server as a process, the browser, and the audit.
import { spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";

export const OUT = process.env.STUDIO_OUT;
export const ROOT = path.resolve(import.meta.dirname, "../../../..");
export const SAMPLES = path.join(ROOT, "docs/samples");

const require = createRequire(`${OUT}/`);
const { chromium } = require("playwright-core");
const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// Without a sandbox, since CI is root; without everything that would look for a network.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Headless Chromium. */
export const browser = () => chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });

/** Glyph Studio on a free port, with a data folder of its own that outlives a restart. */
export class Server {
  constructor(...flags) {
    this.flags = flags;
    this.data = fs.mkdtempSync(path.join(os.tmpdir(), "glyph-studio-"));
    this.port = "0";
  }

  async start() {
    const log = fs.openSync(path.join(OUT, "server.log"), "a");
    this.process = spawn(process.env.STUDIO_BIN, ["--port", this.port, "--data", this.data, ...this.flags], {
      stdio: ["ignore", "pipe", log],
    });
    this.url = await new Promise((resolve, reject) => {
      let text = "";
      this.process.stdout.on("data", (chunk) => {
        text += chunk;
        const found = /http:\/\/\S+/.exec(text);
        if (found) resolve(found[0]);
      });
      this.process.on("exit", (code) => reject(new Error(`the server ended with ${code} before it listened; see server.log`)));
      setTimeout(() => reject(new Error("the server did not listen within 60 s")), 60_000).unref();
    });
    this.port = new URL(this.url).port; // the same one after a restart
    return this;
  }

  /** Stops it; `SIGKILL` is what a crash looks like. */
  async stop(signal = "SIGTERM") {
    if (this.process.exitCode !== null) return;
    const gone = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill(signal);
    await gone;
  }

  async remove() {
    await this.stop("SIGKILL");
    fs.rmSync(this.data, { recursive: true, force: true });
  }
}

/** A window on the page. What goes wrong in it without a word fails the test at `close`. */
export class Window {
  static async open(chrome, url, { width = 1440, height = 900, ...options } = {}) {
    const window = new Window();
    window.errors = [];
    window.context = await chrome.newContext({
      viewport: { width, height },
      locale: "en-GB",
      colorScheme: "light",
      acceptDownloads: true,
      ...options,
    });
    window.page = await window.context.newPage();
    window.page.on("pageerror", (error) => window.errors.push(error.stack ?? String(error)));
    window.page.on("console", (message) => {
      // A refused request is logged by the browser itself; the page shows it.
      if (message.type() === "error" && !/Failed to load resource/.test(message.text())) window.errors.push(message.text());
    });
    await window.page.goto(url);
    return window;
  }

  /** A screenshot in out/studio. */
  shot(name, options = {}) {
    return this.page.screenshot({ path: path.join(OUT, `${name}.png`), animations: "disabled", ...options });
  }

  /** Serious and critical violations that axe finds. */
  async audit() {
    await this.page.evaluate(AXE);
    const { violations, passes } = await this.page.evaluate(() =>
      globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }),
    );
    if (passes.length < 10) throw new Error(`axe looked at ${passes.length} rules only`);
    return violations
      .filter((v) => v.impact === "serious" || v.impact === "critical")
      .map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
  }

  /** Uploads by the file picker, and waits until the document is chosen. */
  async upload(...files) {
    const name = typeof files[0] === "string" ? path.basename(files[0]) : files[0].name;
    await this.page.setInputFiles("#file", files);
    await this.page.locator("#about-document strong", { hasText: name }).waitFor();
  }

  /** Asks and waits for the answer. */
  async ask(question) {
    await this.page.click("#tab-ask");
    await this.page.fill("#question", question);
    await this.page.press("#question", "Enter");
    await this.page.locator("#result[aria-busy=false] #answer").waitFor();
    return this.page.textContent("#answer");
  }

  async close() {
    await this.context.close();
    if (this.errors.length) throw new Error(`the page failed:\n${this.errors.join("\n")}`);
  }
}
