import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeHex, uuidText } from "#trust";
import {
  denialOf,
  failureBytes,
  Fence,
  parseToolchainImports,
  readTrialQuestion,
  trialAnswerText,
} from "#contract";
import type {
  CapabilityCall,
  Grant,
  LogFrame,
  LogLevel,
  LogRecord,
  MetricsFrame,
  TrialQuestion,
} from "#contract";
import {
  dataFolder,
  endWithParent,
  EnvReader,
  jsonLog,
  redactSecrets,
  Metrics,
  Readiness,
  runtimeFolder,
  startOperations,
  systemClock,
} from "#platform";
import { LineEncoder, openControlLine, openSpool, readEnrolment } from "#link";
import type { Log } from "#platform";
import type { ControlLine, Spool } from "#link";
import {
  ArtifactCache,
  BrokerClient,
  BuildStore,
  compileComponent,
  GuestMetrics,
  readFingerprint,
  SandboxCrew,
  tryInstances,
} from "#runner";
import type { GrantKeeper, KeeperParts, LoadState, SandboxProcess, TrialParts } from "#runner";
import { nativePaths } from "../../scripts/native.mjs";
import { MAX_DRAIN_MS } from "./drain.ts";
import { readOperationsPort } from "./operations.ts";
import { checkOf, fenceInForce, reportSelfChecks, trustKnownAnswer } from "./report-self-checks.ts";
import { askSample } from "./sample-call.ts";
import { openRunnerDoor, readRunnerDoor } from "./runner-door.ts";
import type { RunnerDoorSettings } from "./runner-door.ts";
import { sandboxChecks } from "./sandbox-checks.ts";
import { showLine, showSpool } from "./show-line.ts";
import { untilStopped } from "./until-stopped.ts";

const TOOLCHAIN_IMPORTS = fileURLToPath(
  new URL("../../sdk/wit/toolchain-imports.txt", import.meta.url),
);
const COMPILE_MS = 120_000;

interface RunnerConfig {
  readonly data: string;
  readonly runtime: string;
  readonly operationsPort: number;
  /** Where calls from elsewhere are taken; null: nowhere. */
  readonly door: RunnerDoorSettings | null;
}

function readRunnerConfig(env: Readonly<Record<string, string | undefined>>): RunnerConfig {
  const reader = new EnvReader(env);
  const data = dataFolder(env);
  return reader.done({
    data,
    runtime: runtimeFolder(env, data),
    operationsPort: readOperationsPort(reader, "runner"),
    door: readRunnerDoor(reader),
  });
}

async function main(): Promise<void> {
  endWithParent();
  const log = jsonLog("runner");
  const metrics = new Metrics("runner");
  const readiness = new Readiness();
  const config = readRunnerConfig(process.env);
  const native = nativePaths();
  await mkdir(config.runtime, { recursive: true, mode: 0o700 });
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
    metrics,
  };
  const host = new SandboxHost({
    executable: native.sandbox,
    runtime: config.runtime,
    keeper,
    line,
    spool,
  });
  await host.start();
  answerTrials(line, { ...keeper, sandbox: () => host.sandbox, ask: askSample }, log);
  metrics.show("caisson_grants_loaded", () => host.grants);
  metrics.show("caisson_sandbox_spare_ready", () => Number(host.spareReady));
  metrics.show("caisson_guest_series", () => host.guestMetrics.series);
  metrics.append(() => host.guestMetrics.text());
  showLine(metrics, line);
  showSpool(metrics, spool);
  readiness.add("snapshot", () => line.fresh() !== null);
  readiness.add("sandbox", () => host.sandbox !== null);
  readiness.add("spool", () => spool.open);
  await using operations = await startOperations({
    port: config.operationsPort,
    metrics,
    readiness,
  });
  using _selfChecks = reportSelfChecks(
    line,
    async () => [
      checkOf("trust.known-answer", trustKnownAnswer()),
      fenceInForce(line, true),
      ...(await sandboxChecks(host.sandbox)),
    ],
    log,
  );
  let stopped = Promise.resolve();
  {
    // Both at once: the sandbox takes no new call, and ends when those inside have ended, which the door waits for.
    await using _door = await openRunnerDoor({
      settings: config.door,
      place: config,
      enrolment,
      line,
      grantOf: (handle) => host.grantOf(handle),
      log,
      metrics,
    });
    log.info("runner.ready", { operations: operations.port, port: config.door?.port ?? null });
    process.send?.({ ready: true });
    await untilStopped();
    readiness.leave();
    stopped = host.stop();
  }
  await stopped;
}

/** One at a time, as a build takes a core; the line's heartbeats do not wait for them. */
function answerTrials(line: ControlLine, parts: TrialParts, log: Log): void {
  let work = Promise.resolve();
  const answer = async (question: TrialQuestion) => {
    const found = await tryInstances(parts, question);
    log.info("trial.ended", { contentHash: question.contentHash, failure: found.failure });
    await line.post("/v1/edge/trials", trialAnswerText(question.id, found));
  };
  line.follow("/v1/edge/trials", async (kind, asked) => {
    if (kind !== "trial") return;
    const question = readTrialQuestion(asked);
    work = work
      .then(() => answer(question))
      .catch((error: unknown) => log.error("trial.untold", { reason: String(error) }));
  });
}

/** of: the sandbox that the call runs in. */
interface CallFrom {
  readonly argument: Uint8Array;
  readonly signal: AbortSignal;
  readonly of: GrantKeeper;
}

interface HandleLine {
  readonly handle: Uint8Array;
  readonly execution: Uint8Array;
  readonly level: LogLevel;
  readonly at: number;
  readonly message: string;
}

interface HostParts {
  readonly executable: string;
  readonly runtime: string;
  readonly keeper: KeeperParts;
  readonly line: ControlLine;
  readonly spool: Spool<LogRecord>;
}

/** Keeps a sandbox running and granted, and takes what comes from it. */
class SandboxHost {
  readonly #parts: HostParts;
  readonly #crew: SandboxCrew;
  readonly #broker: BrokerClient;
  #sequence = new Map<string, number>();
  /** Kept over the end of a sandbox. */
  readonly guestMetrics = new GuestMetrics();

  constructor(parts: HostParts) {
    const { executable, runtime, keeper, line } = parts;
    this.#parts = parts;
    this.#broker = new BrokerClient({
      socketPath: join(runtime, "broker.sock"),
      secretPath: join(runtime, "broker.secret"),
    });
    this.#crew = new SandboxCrew({
      executable,
      runtime,
      keeper,
      // Before control has said what is stopped, nothing is granted: this is only the first one.
      fence: line.state.fence ?? new Fence(0, []),
      state: () => this.#state(),
      onLog: (frame, of) => this.#onLog(frame, of),
      onMetrics: (frame, of) => this.#onMetrics(frame, of),
      onCall: (asked, argument, signal, of) => this.#onCall(asked, { argument, signal, of }),
    });
    line.onChange(() => void this.#apply());
    line.onFence((fence) => this.#crew.fence(fence));
  }

  /** Grants that the sandbox holds. */
  get grants(): number {
    return this.#crew.current?.keeper.count ?? 0;
  }

  get spareReady(): boolean {
    return this.#crew.spareReady;
  }

  grantOf(handle: string): Grant | undefined {
    return this.#crew.current?.keeper.grantOf(handle);
  }

  /** Null between the end of one sandbox and the start of the next. */
  get sandbox(): SandboxProcess | null {
    return this.#crew.current?.sandbox ?? null;
  }

  async start(): Promise<void> {
    await this.#crew.start();
    this.#keepMetrics();
  }

  #state(): LoadState | null {
    const served = this.#parts.line.fresh();
    const { trustRoot } = this.#parts.line.state;
    return served === null || trustRoot === null ? null : { snapshot: served.snapshot, trustRoot };
  }

  async #apply(): Promise<void> {
    await this.#crew.apply();
    this.#keepMetrics();
  }

  #keepMetrics(): void {
    const keeper = this.#crew.current?.keeper;
    if (keeper !== undefined) this.guestMetrics.keep(keeper.installs());
  }

  /** Asks the broker under the grant of the call; what it denies is on record with the execution. */
  async #onCall(asked: CapabilityCall, { argument, signal, of }: CallFrom): Promise<Uint8Array> {
    const grant = of.documentOf(encodeHex(asked.handle));
    if (grant === undefined) return failureBytes("denied", "the grant is gone");
    const { deadlineMicros, capability } = asked;
    const reply = await this.#broker.ask(capability, { grant, argument, deadlineMicros }, signal);
    const denial = denialOf(reply);
    if (denial !== null) {
      const message = `${capability} denied: ${denial}`;
      this.#record({ ...asked, level: "warn", at: Date.now(), message }, of);
    }
    return reply;
  }

  #onLog(frame: LogFrame, of: GrantKeeper): void {
    for (const { handle, execution, level, unixMicros, text } of frame.lines) {
      const at = Math.floor(unixMicros / 1_000);
      this.#record({ handle, execution, level, at, message: text }, of);
    }
  }

  #onMetrics({ dropped, points }: MetricsFrame, of: GrantKeeper): void {
    const drop = (reason: string, by = 1) =>
      this.#parts.keeper.metrics.count("caisson_guest_points_dropped_total", { reason }, by);
    if (dropped > 0) drop("budget", dropped);
    for (const point of points) {
      const owner = of.pointOwnerOf(encodeHex(point.handle));
      const refused = owner === undefined ? "gone" : this.guestMetrics.take(owner, point);
      if (refused !== null) drop(refused);
    }
  }

  /** Whose line it is, the grant behind its handle tells. */
  #record(line: HandleLine, of: GrantKeeper): void {
    const grant = of.grantOf(encodeHex(line.handle));
    if (grant === undefined) return;
    const { tenant, install, extension } = grant;
    const { level, at } = line;
    const message = redactSecrets(line.message); // stops: a secret on this disk, in the database and before whoever reads logs
    const execution = uuidText(line.execution);
    const seq = this.#next(execution);
    this.#parts.spool.append({ tenant, install, extension, execution, seq, level, message, at });
  }

  /** Lines of one execution come together; a few hundred executions are remembered. */
  #next(execution: string): number {
    const seq = this.#sequence.get(execution) ?? 0;
    this.#sequence.set(execution, seq + 1);
    const [oldest] = this.#sequence.keys();
    if (this.#sequence.size > 1_000 && oldest !== undefined) this.#sequence.delete(oldest);
    return seq;
  }

  /** Lets the calls inside come to their end first. */
  stop(): Promise<void> {
    return this.#crew.drain(MAX_DRAIN_MS);
  }
}

await main();
