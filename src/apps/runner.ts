import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GrantReader, parseToolchainImports, readTrialQuestion, trialAnswerText } from "#contract";
import type { RunnerClass, TrialQuestion } from "#contract";
import {
  dataFolder,
  endWithParent,
  EnvReader,
  jsonLog,
  Metrics,
  Readiness,
  runtimeFolder,
  startOperations,
  systemClock,
} from "#platform";
import { LineEncoder, openControlLine, openSpool, readEnrolment } from "#link";
import type { Log } from "#platform";
import type { ControlLine } from "#link";
import {
  ArtifactCache,
  BuildStore,
  compileComponent,
  readFingerprint,
  tryInstances,
} from "#runner";
import type { KeeperParts, TrialParts } from "#runner";
import { nativePaths } from "../../scripts/native.mjs";
import { readOperationsPort } from "./operations.ts";
import { checkOf, fenceInForce, reportSelfChecks, trustKnownAnswer } from "./report-self-checks.ts";
import { askSample } from "./sample-call.ts";
import { openRunnerDoor, readRunnerDoor } from "./runner-door.ts";
import type { RunnerDoorSettings } from "./runner-door.ts";
import { SandboxHost } from "./sandbox-host.ts";
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
  const shared: Omit<KeeperParts, "runnerClass" | "compile" | "fingerprint"> = {
    grants: new GrantReader(enrolment.stateKey),
    artifacts: new ArtifactCache(join(config.data, "runner/artifacts"), line),
    builds: await BuildStore.open(join(config.data, "runner/builds")),
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
  const keeperOf = async (runnerClass: RunnerClass): Promise<KeeperParts> => ({
    ...shared,
    runnerClass,
    compile: (component) => compileComponent(native.compiler, runnerClass, component, COMPILE_MS),
    fingerprint: await readFingerprint(native.compiler, runnerClass),
  });
  const epoch = await keeperOf("epoch");
  const { runtime } = config;
  const host = new SandboxHost({
    executable: native.sandbox,
    runtime,
    keeperOf: async (runnerClass) => (runnerClass === "epoch" ? epoch : keeperOf(runnerClass)),
    line,
    spool,
    metrics,
    log,
  });
  await host.start();
  answerTrials(line, { ...epoch, sandbox: () => host.sandbox, ask: askSample }, log);
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

await main();
