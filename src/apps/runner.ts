import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeHex } from "#trust";
import { denialOf, Fence, fetchReplyBytes, logLevels, parseToolchainImports } from "#contract";
import type { CapabilityCall, LogFrame, LogRecord } from "#contract";
import {
  dataFolder,
  endWithParent,
  EnvReader,
  jsonLog,
  runtimeFolder,
  systemClock,
} from "#platform";
import type { Log } from "#platform";
import { LineEncoder, openControlLine, openSpool, readEnrolment } from "#link";
import type { ControlLine, Spool } from "#link";
import {
  ArtifactCache,
  askBroker,
  BuildStore,
  compileComponent,
  GrantKeeper,
  readFingerprint,
  SandboxProcess,
} from "#runner";
import type { BrokerPlace, KeeperParts } from "#runner";
import { nativePaths } from "../../scripts/native.mjs";
import { untilStopped } from "./until-stopped.ts";

const TOOLCHAIN_IMPORTS = fileURLToPath(
  new URL("../../sdk/wit/toolchain-imports.txt", import.meta.url),
);
const COMPILE_MS = 120_000;
const RESTART_MS = 100;
const NOTHING_HELD = { refused: 0, unqueued: 0, killed: 0 };

interface RunnerConfig {
  readonly data: string;
  readonly runtime: string;
}

function readRunnerConfig(env: Readonly<Record<string, string | undefined>>): RunnerConfig {
  const data = dataFolder(env);
  return new EnvReader(env).done({ data, runtime: runtimeFolder(env, data) });
}

async function main(): Promise<void> {
  endWithParent();
  const log = jsonLog("runner");
  const config = readRunnerConfig(process.env);
  const native = nativePaths();
  const enrolment = await readEnrolment(join(config.data, "edge/runner.json"));
  await using line = await openControlLine({
    enrolment,
    dir: join(config.data, "runner/line"),
    clock: systemClock,
    log,
  });
  await using spool = await openSpool({
    dir: join(config.data, "runner/spool"),
    newEncoder: () => new LineEncoder(),
    send: (batch) => line.post("/v1/edge/logs", batch),
    log,
  });
  const keeper: KeeperParts = {
    stateKey: enrolment.stateKey,
    artifacts: new ArtifactCache(join(config.data, "runner/artifacts"), line),
    builds: await BuildStore.open(join(config.data, "runner/builds")),
    compile: (component) => compileComponent(native.compiler, component, COMPILE_MS),
    fingerprint: await readFingerprint(native.compiler),
    toolchainImports: parseToolchainImports(await readFile(TOOLCHAIN_IMPORTS, "utf8")),
    report: (handle, failure) =>
      line.post(
        "/v1/edge/builds",
        JSON.stringify({
          handle,
          ...(failure === null ? {} : { failure: failure.slice(0, 2_000) }),
        }),
      ),
    clock: systemClock,
    log,
  };
  const host = new SandboxHost({
    executable: native.sandbox,
    runtime: config.runtime,
    keeper,
    line,
    spool,
    log,
  });
  await host.start();
  log.info("runner.ready", {});
  process.send?.({ ready: true });
  await untilStopped();
  await host.stop();
}

interface HostParts {
  readonly executable: string;
  readonly runtime: string;
  readonly keeper: KeeperParts;
  readonly line: ControlLine;
  readonly spool: Spool<LogRecord>;
  readonly log: Log;
}

/** Keeps one sandbox running and granted; a new one takes the place of one that ended. */
class SandboxHost {
  readonly #parts: HostParts;
  #sandbox: SandboxProcess | null = null;
  #keeper: GrantKeeper | null = null;
  #stopping = false;
  #sequence = new Map<string, number>();

  constructor(parts: HostParts) {
    this.#parts = parts;
    parts.line.onChange(() => void this.#apply());
    parts.line.onFence((fence) => this.#keeper?.fence(fence) ?? Promise.resolve(NOTHING_HELD));
  }

  async start(): Promise<void> {
    const { executable, runtime, keeper, line, log } = this.#parts;
    const sandbox = await SandboxProcess.start({
      executable,
      socketPath: join(runtime, "sandbox.sock"),
      onLog: (frame) => this.#onLog(frame),
      onCall: (asked, argument, signal) => this.#onCall(asked, argument, signal),
      onExit: (exit) => {
        log.warn("sandbox.ended", {
          status: exit.status,
          signal: exit.signal,
          detail: exit.detail,
        });
        if (!this.#stopping) setTimeout(() => void this.#restart(), RESTART_MS);
      },
    });
    this.#sandbox = sandbox;
    // Before control has said what is stopped, nothing is granted: the fence of the keeper is only its first.
    this.#keeper = new GrantKeeper(keeper, sandbox, line.state.fence ?? new Fence(0, []));
    await this.#apply();
    // Written last: a gateway that reads it finds a sandbox that serves.
    await writeFile(join(runtime, "sandbox.secret"), `${encodeHex(sandbox.secret)}\n`, {
      mode: 0o600,
    });
  }

  async #restart(): Promise<void> {
    try {
      await this.start();
    } catch (error) {
      this.#parts.log.error("sandbox.restart", { reason: String(error) });
      if (!this.#stopping) setTimeout(() => void this.#restart(), RESTART_MS * 10);
    }
  }

  async #apply(): Promise<void> {
    const served = this.#parts.line.fresh();
    const { trustRoot } = this.#parts.line.state;
    if (served !== null && trustRoot !== null)
      await this.#keeper?.apply({ snapshot: served.snapshot, trustRoot });
  }

  /** Asks the broker under the grant of the call; what it denies is on record with the execution. */
  async #onCall(
    asked: CapabilityCall,
    argument: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const handle = encodeHex(asked.handle);
    const grant = this.#keeper?.documentOf(handle);
    if (grant === undefined)
      return fetchReplyBytes({ failure: "denied", message: "the grant is gone" });
    const { deadlineMicros, capability } = asked;
    const call = { grant, argument, deadlineMicros };
    const reply = await askBroker(brokerPlace(this.#parts.runtime), capability, call, signal);
    const denial = denialOf(reply);
    if (denial !== null)
      this.#record(handle, encodeHex(asked.execution), "warn", `${capability} denied: ${denial}`);
    return reply;
  }

  #record(handle: string, execution: string, level: LogRecord["level"], message: string): void {
    const grant = this.#keeper?.grantOf(handle);
    if (grant === undefined) return;
    const { tenant, install, extension } = grant;
    const id = uuidText(execution);
    this.#parts.spool.append({
      tenant,
      install,
      extension,
      execution: id,
      seq: this.#next(id),
      level,
      message,
      at: Date.now(),
    });
  }

  #onLog(frame: LogFrame): void {
    for (const line of frame.lines) {
      const grant = this.#keeper?.grantOf(encodeHex(line.handle));
      if (grant === undefined) continue;
      const execution = uuidText(encodeHex(line.execution));
      const record: LogRecord = {
        tenant: grant.tenant,
        install: grant.install,
        extension: grant.extension,
        execution,
        seq: this.#next(execution),
        level: logLevels.find((level) => level === line.level) ?? "info",
        message: line.text,
        at: Math.floor(line.unixMicros / 1_000),
      };
      this.#parts.spool.append(record);
    }
  }

  /** Lines of one execution come together; a few hundred executions are remembered. */
  #next(execution: string): number {
    const seq = this.#sequence.get(execution) ?? 0;
    this.#sequence.set(execution, seq + 1);
    const [oldest] = this.#sequence.keys();
    if (this.#sequence.size > 1_000 && oldest !== undefined) this.#sequence.delete(oldest);
    return seq;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#sandbox?.stop();
  }
}

function brokerPlace(runtime: string): BrokerPlace {
  return {
    socketPath: join(runtime, "broker.sock"),
    secretPath: join(runtime, "broker.secret"),
  };
}

function uuidText(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

await main();
