import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "./free-ports.ts";
import { certificate, newKey, pemOf } from "./start-production.ts";

const APPS = fileURLToPath(new URL("../../src/apps/", import.meta.url));
const KINDS = ["runner", "broker"] as const;

/** A machine of its own, as far as one machine can show it: its own folders, processes, enrolments and certificate. */
export class RemoteMachine implements AsyncDisposable {
  /** Where its runner answers. */
  readonly url: string;
  /** PEM file of its certificate, which is its own authority. */
  readonly ca: string;
  readonly data: string;
  readonly #folder: string;
  readonly #settings: Readonly<Record<string, string>>;
  #processes: ChildProcess[] = [];
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
    this.url = `https://localhost:${port}`;
    this.ca = join(folder, "tls.crt");
    this.data = join(folder, "data");
    this.#settings = {
      CAISSON_DATA: this.data,
      CAISSON_RUNTIME: join(folder, "run"),
      CAISSON_OPS_PORT: "0",
      CAISSON_RUNNER_TLS_CERT: this.ca,
      CAISSON_RUNNER_TLS_KEY: join(folder, "tls.key"),
      CAISSON_RUNNER_BIND: "127.0.0.1",
      CAISSON_RUNNER_PORT: String(port),
    };
  }

  enrolment(kind: (typeof KINDS)[number]): string {
    return join(this.data, `edge/${kind}.json`);
  }

  /** This machine's own name for its runner. */
  async runnerId(): Promise<string> {
    return (JSON.parse(await readFile(this.enrolment("runner"), "utf8")) as { edge: string }).edge;
  }

  get output(): string {
    return this.#output;
  }

  /** Calls that its runner has open, by its own count; 0 before it is ready. */
  async openCalls(): Promise<number> {
    const ready = this.#output.split("\n").findLast((line) => line.includes('"runner.ready"'));
    if (ready === undefined) return 0;
    const { operations } = JSON.parse(ready) as { operations: number };
    const text = await (await fetch(`http://127.0.0.1:${operations}/metrics`)).text();
    return Number(/^caisson_execute_open_calls (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
  }

  start(): void {
    const own = Object.entries(process.env).filter(
      ([name]) => !name.startsWith("CAISSON_") || name === "CAISSON_NATIVE_DIR",
    );
    for (const kind of KINDS) {
      const child = spawn(
        "setpriv",
        ["--pdeathsig", "KILL", "--", process.execPath, join(APPS, `${kind}.ts`)],
        {
          env: { ...Object.fromEntries(own), ...this.#settings },
          stdio: ["ignore", "pipe", "pipe"],
          detached: true,
        },
      );
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
      this.#processes.push(child);
    }
  }

  /** kill -9 of everything that runs there. */
  async kill(): Promise<void> {
    const processes = this.#processes;
    this.#processes = [];
    await Promise.all(processes.map(killGroup));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function killGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  process.kill(-child.pid, "SIGKILL");
  await gone;
}
