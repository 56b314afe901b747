import { setTimeout as pause } from "node:timers/promises";
import { fork, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ConfigValues, ExtensionConfig } from "#contract";
import { KitError } from "./kit-error.ts";
import { LOCAL_EDGES, LocalControl } from "./local-control.ts";
import type { LocalEvents } from "./local-control.ts";
import type { Packed } from "./pack.ts";

const READY_MS = 60_000;
const STOP_MS = 10_000;
const POLL_MS = 20;
const FOLDER = "cai-dev-";
const KEPT_LINES = 20;
const NATIVE = fileURLToPath(new URL("../../scripts/native.mjs", import.meta.url));

/** Settings of a Caisson that serves; where executables are found, and where guests may reach, is said to this one too. */
const SETTING = /^(?:CAISSON_(?!NATIVE_DIR$|EGRESS_)|RUNNER_|SIGNING_)/;

/** A shell that is set up for a production Caisson is no setting of this one. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !SETTING.test(name)));
}

/**
 * Broker, runner and gateway of this machine for one extension: the same processes, doors and limits as in production,
 * under a control that lives in this process and trusts keys of this run alone. Everything lies in a folder that goes
 * away with it; the children end when this process does.
 */
export class LocalEdge implements AsyncDisposable {
  readonly gatewayPort: number;
  /** Rejects where one of the processes ends before it is stopped. */
  readonly failed: Promise<never>;
  readonly #control: LocalControl;
  readonly #folder: string;
  readonly #children: readonly ChildProcess[];
  #stopping = false;
  #serving: ExtensionConfig | null = null;

  private constructor(parts: { control: LocalControl; folder: string; gatewayPort: number }) {
    this.gatewayPort = parts.gatewayPort;
    this.#control = parts.control;
    this.#folder = parts.folder;
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {}); // whoever serves awaits it; a run that ends before does not
    this.failed = failed.promise;
    this.#children = LOCAL_EDGES.map((name) => this.#fork(name, failed.reject));
  }

  /** config: see LocalControl. Throws KitError "local.failed" where the processes do not start. */
  static async start(events: LocalEvents, config: ConfigValues): Promise<LocalEdge> {
    buildNative();
    await sweepLeftBehind();
    // Short: the paths of its sockets end at 107 bytes.
    const folder = await mkdtemp(join(tmpdir(), `${FOLDER}${process.pid}-`));
    const control = new LocalControl(events, config);
    try {
      await mkdir(join(folder, "run"), { mode: 0o700 });
      await mkdir(join(folder, "data/edge"), { recursive: true, mode: 0o700 });
      await control.listen();
      await control.enrol(join(folder, "data"));
    } catch (error) {
      await control[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
    const edge = new LocalEdge({ control, folder, gatewayPort: await freePort() });
    try {
      await Promise.race([Promise.all(edge.#children.map(ready)), edge.failed]);
      return edge;
    } catch (error) {
      await edge[Symbol.asyncDispose]();
      throw error;
    }
  }

  get apiKey(): string {
    return this.#control.apiKey;
  }

  /** What is served now. */
  get serving(): ExtensionConfig | null {
    return this.#serving;
  }

  /** Serves what is packed in place of what was served. Throws KitError "load.refused". */
  async serve(packed: Packed): Promise<void> {
    const newest = await Promise.race([this.#control.offer(packed), this.failed]);
    await Promise.race([this.#untilKnown(newest), this.failed]);
    this.#serving = packed.config;
  }

  /** A key that may call nothing is refused with 403 once the gateway has the snapshot that it came with. */
  async #untilKnown(key: string): Promise<void> {
    for (const end = Date.now() + READY_MS; Date.now() < end; await pause(POLL_MS)) {
      const { status } = await fetch(`http://127.0.0.1:${this.gatewayPort}/api/ext/is.there`, {
        headers: { authorization: `Bearer ${key}` },
      });
      if (status === 403) return;
    }
    throw new KitError("local.failed", "the gateway did not take the new build");
  }

  #fork(name: string, failed: (error: Error) => void): ChildProcess {
    const main = fileURLToPath(new URL(`../apps/${name}.ts`, import.meta.url));
    const child = fork(main, [], {
      env: {
        ...withoutSettings(process.env),
        CAISSON_DATA: join(this.#folder, "data"),
        CAISSON_RUNTIME: join(this.#folder, "run"),
        CAISSON_PORT: String(this.gatewayPort),
        CAISSON_OPS_PORT: "0",
        CAISSON_MODE: "development",
      },
      // A process group of their own: Ctrl-C is for this process, which stops them in order.
      detached: true,
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    const lines: string[] = [];
    if (child.stderr !== null)
      createInterface(child.stderr).on("line", (line) => {
        lines.push(line);
        if (lines.length > KEPT_LINES) lines.shift();
      });
    child.once("exit", (code, signal) => {
      if (this.#stopping) return;
      const last = lines.join("\n");
      failed(
        new KitError(
          "local.failed",
          `the ${name} ended with ${signal ?? code ?? "nothing"}: ${last}`,
        ),
      );
    });
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#children.map(stopped));
    await this.#control[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Folders of runs that were killed. */
async function sweepLeftBehind(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(
      name.startsWith(FOLDER) ? name.slice(FOLDER.length).split("-")[0] : Number.NaN,
    );
    if (!Number.isInteger(pid) || isRunning(pid)) continue;
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => {}); // another user's
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** With its progress on the terminal: the first build takes minutes. */
function buildNative(): void {
  const built = spawnSync(process.execPath, [NATIVE, "build"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (built.status !== 0)
    throw new KitError(
      "local.failed",
      "cannot run extensions without the sandbox and the compiler; the message above names what is missing",
    );
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new KitError("local.failed", `not ready after ${READY_MS} ms`)),
      READY_MS,
    );
    child.once("exit", () => clearTimeout(late));
    child.once("message", () => {
      clearTimeout(late);
      resolve();
    });
  });
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const kill = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await gone;
  clearTimeout(kill);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // listening on TCP
  await new Promise((resolve) => server.close(resolve));
  return port;
}
