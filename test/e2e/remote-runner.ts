import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "./free-ports.ts";
import { certificate, newKey, pemOf } from "./start-production.ts";

const MAIN = fileURLToPath(new URL("../../src/apps/edges.ts", import.meta.url));

/** A machine of its own, as far as one machine can show it: its own folders, processes, enrolments and certificate. */
export class RemoteMachine implements AsyncDisposable {
  /** The runner's port, its gateway's and the operations servers' come from it. */
  readonly port: number;
  /** PEM file of its certificate, which is its own authority. */
  readonly ca: string;
  readonly data: string;
  readonly #folder: string;
  #child: ChildProcess | null = null;
  #output = "";

  static async prepare(): Promise<RemoteMachine> {
    const folder = await mkdtemp(join(tmpdir(), "cai-r-"));
    const [key, port] = [newKey(), await freePorts()];
    await mkdir(join(folder, "data/edge"), { recursive: true, mode: 0o700 });
    await writeFile(join(folder, "tls.crt"), certificate(key));
    await writeFile(join(folder, "tls.key"), pemOf(key), { mode: 0o600 });
    return new RemoteMachine(folder, port);
  }

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
    this.ca = join(folder, "tls.crt");
    this.data = join(folder, "data");
  }

  /** Where its runner answers. */
  get url(): string {
    return `https://localhost:${this.port + 4}`;
  }

  enrolment(kind: "runner" | "broker" | "gateway"): string {
    return join(this.data, `edge/${kind}.json`);
  }

  /** The edge id that this machine's runner was enrolled with. */
  async runnerId(): Promise<string> {
    return (JSON.parse(await readFile(this.enrolment("runner"), "utf8")) as { edge: string }).edge;
  }

  get output(): string {
    return this.#output;
  }

  /** Calls that its runner has open, by its own count; 0 while it does not answer. */
  async openCalls(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.port + 13}/metrics`).catch(() => null);
    const text = (await response?.text()) ?? "";
    return Number(/^caisson_execute_open_calls (\d+)$/m.exec(text)?.[1] ?? 0);
  }

  /** In a process group of its own. settings: beside those of a runner with a door. */
  start(settings: Readonly<Record<string, string>> = this.runnerDoor()): void {
    const own = Object.entries(process.env).filter(
      ([name]) => !name.startsWith("CAISSON_") || name === "CAISSON_NATIVE_DIR",
    );
    this.#child = spawn("setpriv", ["--pdeathsig", "TERM", "--", process.execPath, MAIN], {
      env: {
        ...Object.fromEntries(own),
        CAISSON_DATA: this.data,
        CAISSON_RUNTIME: join(this.#folder, "run"),
        CAISSON_PORT: String(this.port),
        ...settings,
      },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
  }

  runnerDoor(): Readonly<Record<string, string>> {
    return {
      CAISSON_RUNNER_TLS_CERT: this.ca,
      CAISSON_RUNNER_TLS_KEY: join(this.#folder, "tls.key"),
      CAISSON_RUNNER_BIND: "127.0.0.1",
      CAISSON_RUNNER_PORT: String(this.port + 4),
    };
  }

  /** kill -9 of everything that runs there. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    process.kill(-child.pid, "SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
