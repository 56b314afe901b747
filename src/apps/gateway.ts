import { join } from "node:path";
import { ExecutionEncoder } from "#contract";
import {
  endWithParent,
  EnvReader,
  jsonLog,
  Metrics,
  Readiness,
  startOperations,
  systemClock,
} from "#platform";
import { CallLog, GatewayServer, SandboxLine } from "#gateway";
import { openControlLine, openSpool, readEnrolment } from "#link";
import { drainServer, MAX_DRAIN_MS } from "./drain.ts";
import { readGatewaySettings } from "./gateway-settings.ts";
import { checkOf, fenceInForce, reportSelfChecks } from "./report-self-checks.ts";
import { followCertificate, publicServer } from "./public-server.ts";
import { showLine, showSpool } from "./show-line.ts";
import { untilStopped } from "./until-stopped.ts";

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
  using sandbox = new SandboxLine(config.runtime);
  const calls = new CallLog({ log, metrics, lines: config.callLines });
  const { mode } = config;
  const gateway = new GatewayServer({
    serve: (options, listener) => publicServer(mode, options, listener),
    fresh: () => line.fresh(),
    sandbox: () => sandbox.client,
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
  readiness.add("sandbox", () => sandbox.client !== null);
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

await main();
