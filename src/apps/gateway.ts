import { join } from "node:path";
import { ObjectReader, parseStrictJson } from "#trust";
import { ExecutionEncoder } from "#contract";
import type { RunnerClass } from "#contract";
import {
  endWithParent,
  EnvReader,
  jsonLog,
  Metrics,
  Readiness,
  startOperations,
  systemClock,
} from "#platform";
import type { Log } from "#platform";
import { RemoteRunner } from "#execute";
import { CallLog, GatewayServer, SandboxLines } from "#gateway";
import type { SandboxPort } from "#gateway";
import { openControlLine, openSpool, readEnrolment } from "#link";
import type { ControlLine, Enrolment } from "#link";
import { drainServer, MAX_DRAIN_MS } from "./drain.ts";
import { readGatewaySettings } from "./gateway-settings.ts";
import type { GatewaySettings } from "./gateway-settings.ts";
import { checkOf, fenceInForce, reportSelfChecks } from "./report-self-checks.ts";
import { followCertificate, publicServer } from "./public-server.ts";
import { showLine, showSpool } from "./show-line.ts";
import { untilStopped } from "./until-stopped.ts";

const MAX_CREDENTIAL_BYTES = 8_192;
const CREDENTIAL_MS = 5_000;

async function main(): Promise<void> {
  endWithParent();
  const log = jsonLog("gateway");
  const metrics = new Metrics("gateway");
  const readiness = new Readiness();
  const reader = new EnvReader(process.env);
  const config = reader.done(readGatewaySettings(reader, process.env));
  const enrolment = await readEnrolment(join(config.data, "edge/gateway.json"));
  await using line = await openControlLine({
    enrolment,
    dir: join(config.data, "gateway/line"),
    clock: systemClock,
    log,
  });
  await using spool = await openSpool({
    dir: join(config.data, "gateway/spool"),
    newEncoder: () => new ExecutionEncoder(),
    send: (batch) => line.post("/v1/edge/executions", batch),
    log,
  });
  await using runner = openRunner(config, { enrolment, line, log });
  const calls = new CallLog({ log, metrics, lines: config.callLines });
  const { mode } = config;
  const gateway = new GatewayServer({
    serve: (options, listener) => publicServer(mode, options, listener),
    fresh: () => line.fresh(),
    sandbox: (runnerClass) => runner.client(runnerClass),
    record: (record, answer) => {
      calls.ended(record);
      if (!spool.append(record, answer)) answer.onWritten(false);
    },
    spoolOpen: () => spool.open,
    deadlineMs: config.deadlineMs,
    staying: () => !readiness.leaving,
    onRefused: (refused) => calls.refused(refused),
  });
  const { server } = gateway;
  metrics.show("caisson_gateway_open_calls", () => gateway.open);
  showLine(metrics, line);
  showSpool(metrics, spool);
  readiness.add("snapshot", () => line.fresh() !== null);
  readiness.add("sandbox", () => runner.client("epoch") !== null);
  readiness.add("spool", () => spool.open);
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(config.port, mode.bind, resolve),
  );
  await using operations = await startOperations({
    port: config.operationsPort,
    metrics,
    readiness,
  });
  using _selfChecks = reportSelfChecks(
    line,
    () => [checkOf("gateway.known-answer", gateway.knownAnswer()), fenceInForce(line, true)],
    log,
  );
  using _certificate = followCertificate(mode, server, log);
  log.info("gateway.ready", { port: config.port, operations: operations.port });
  process.send?.({ ready: config.port });
  await untilStopped();
  readiness.leave();
  log.info("gateway.leaving", { open: gateway.open });
  await drainServer(server, () => gateway.open, Math.min(config.deadlineMs, MAX_DRAIN_MS));
}

interface RunnerLine extends AsyncDisposable {
  /** Null while none answers. */
  readonly client: (runnerClass: RunnerClass) => SandboxPort | null;
}

/** Where calls go: the sandbox of this machine's runner, or a runner elsewhere. */
function openRunner(
  { runner, runtime }: GatewaySettings,
  { enrolment, line, log }: { enrolment: Enrolment; line: ControlLine; log: Log },
): RunnerLine {
  if (runner.kind === "https")
    return remote(
      new RemoteRunner({
        ...runner,
        stateKey: enrolment.stateKey,
        credential: (url, key) => askCredential(line, url, key),
        fence: () => line.state.fence,
        clock: systemClock,
        log,
      }),
    );
  const sandboxes = new SandboxLines(runner.folder ?? runtime);
  return {
    client: (runnerClass) => sandboxes.client(runnerClass),
    async [Symbol.asyncDispose]() {
      sandboxes[Symbol.dispose]();
    },
  };
}

/** It has sandboxes of every class, and knows by the grant which one a call is for. */
function remote(runner: RemoteRunner): RunnerLine {
  return {
    client: () => runner.client,
    [Symbol.asyncDispose]: () => runner[Symbol.asyncDispose](),
  };
}

async function askCredential(line: ControlLine, runner: string, key: string): Promise<string> {
  const body = Buffer.from(JSON.stringify({ runner, key }));
  const answer = await line.ask("/v1/edge/credential", body, {
    headers: {},
    maxBytes: MAX_CREDENTIAL_BYTES,
    signal: AbortSignal.timeout(CREDENTIAL_MS),
  });
  const reader = ObjectReader.of(
    parseStrictJson(answer, { maxBytes: MAX_CREDENTIAL_BYTES }),
    "credential",
  );
  return reader.string("token");
}

await main();
