import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Log } from "#platform";
import { StartError } from "./data-folder.ts";

const READY_MS = 60_000;
/** A gateway lets its calls come to their end first. */
const STOP_MS = 35_000;
const RESTART_MS = [100, 500, 2_000, 5_000];
/** Ready for so long, it does not fail at its start: it comes back at once whenever it ends. */
const STEADY_MS = 500;

/** One of our processes: comes back when it ends, until it is stopped. */
export class SupervisedProcess {
  readonly name: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #log: Log;
  readonly #onRestart: (name: string) => void;
  #child: ChildProcess | null = null;
  #stopping = false;
  #failures = 0;
  #ready: unknown = null;

  constructor(
    name: string,
    env: Readonly<Record<string, string>>,
    parts: { readonly log: Log; readonly onRestart: (name: string) => void },
  ) {
    this.name = name;
    this.#env = env;
    this.#log = parts.log;
    this.#onRestart = parts.onRestart;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves with what the process said when it was ready. Throws StartError "child.failed" where it ended before. */
  async start(): Promise<unknown> {
    this.#stopping = false;
    const child = this.#spawn();
    this.#ready = await readyMessage(child, this.name);
    return this.#ready;
  }

  #spawn(): ChildProcess {
    const main = fileURLToPath(new URL(`./${this.name}.ts`, import.meta.url));
    const child = fork(main, [], {
      env: { ...process.env, ...this.#env },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    let readyAt = Number.POSITIVE_INFINITY;
    child.once("message", () => (readyAt = Date.now()));
    child.on("exit", (code, signal) => this.#onExit(code, signal, Date.now() - readyAt));
    this.#child = child;
    return child;
  }

  #onExit(code: number | null, signal: string | null, servedMs: number): void {
    this.#child = null;
    if (this.#stopping || this.#ready === null) return;
    this.#failures = servedMs > STEADY_MS ? 0 : this.#failures + 1;
    const wait = RESTART_MS[Math.min(this.#failures, RESTART_MS.length) - 1] ?? RESTART_MS[0] ?? 0;
    this.#log.warn("process.ended", { name: this.name, code, signal, restartMs: wait });
    setTimeout(() => {
      if (this.#stopping) return;
      this.#onRestart(this.name);
      this.#spawn();
    }, wait);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child === null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    const kill = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await gone;
    clearTimeout(kill);
  }
}

function readyMessage(child: ChildProcess, name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () =>
        reject(
          new StartError(
            "child.failed",
            `cannot start ${name}: not ready after ${READY_MS} ms; its log lines stand above`,
          ),
        ),
      READY_MS,
    );
    child.once("message", (message: { ready?: unknown }) => {
      clearTimeout(late);
      resolve(message.ready ?? true);
    });
    child.once("exit", (code, signal) => {
      clearTimeout(late);
      reject(
        new StartError(
          "child.failed",
          `cannot start ${name}: it ended with ${signal ?? code ?? "no status"}; its log lines stand above`,
        ),
      );
    });
  });
}
