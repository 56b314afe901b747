import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brokerServer, egressKnownAnswer, hostResolver, readAuthorities } from "#broker";
import {
  endWithParent,
  EnvReader,
  jsonLog,
  Metrics,
  Readiness,
  startOperations,
  systemClock,
} from "#platform";
import { BROKER_DEADLINE_HEADER, brokerCallBytes, frameBounds, GrantReader } from "#contract";
import { openControlLine, readEnrolment } from "#link";
import { readBrokerSettings } from "./broker-settings.ts";
import { checkOf, fenceInForce, reportSelfChecks } from "./report-self-checks.ts";
import { showLine } from "./show-line.ts";
import { untilStopped } from "./until-stopped.ts";

async function main(): Promise<void> {
  endWithParent();
  const log = jsonLog("broker");
  const metrics = new Metrics("broker");
  const readiness = new Readiness();
  const reader = new EnvReader(process.env);
  const config = reader.done(readBrokerSettings(reader, process.env));
  await mkdir(config.runtime, { recursive: true, mode: 0o700 });
  const enrolment = await readEnrolment(join(config.data, "edge/broker.json"));
  await using line = await openControlLine({
    enrolment,
    dir: join(config.data, "broker/line"),
    clock: systemClock,
    log,
    only: "fence",
  });
  const secret = randomBytes(32).toString("hex");
  const server = brokerServer({
    secret,
    grants: new GrantReader(enrolment.stateKey),
    fence: () => line.state.fence,
    clock: systemClock,
    metrics,
    control: (call, deadlineMicros, signal) =>
      line.ask("/v1/edge/kv", brokerCallBytes(call), {
        headers: { [BROKER_DEADLINE_HEADER]: String(deadlineMicros) },
        maxBytes: frameBounds.argumentBytes,
        signal,
      }),
    log,
    ceiling: config.ceiling,
    authorities: await readAuthorities(config.authorityFile),
    resolve: hostResolver(config.dnsServers),
  });
  const socketPath = join(config.runtime, "broker.sock");
  await rm(socketPath, { force: true });
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(socketPath, resolve),
  );
  // Written last: a runner that reads it finds a broker that answers.
  await writeFile(join(config.runtime, "broker.secret"), `${secret}\n`, { mode: 0o600 });
  showLine(metrics, line);
  readiness.add("fence", () => line.state.fence !== null);
  await using operations = await startOperations({
    port: config.operationsPort,
    metrics,
    readiness,
  });
  using _selfChecks = reportSelfChecks(
    line,
    () => [checkOf("egress.known-answer", egressKnownAnswer()), fenceInForce(line, false)],
    log,
  );
  log.info("broker.ready", { origins: config.ceiling.size, operations: operations.port });
  process.send?.({ ready: true });
  await untilStopped();
  readiness.leave();
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  await rm(socketPath, { force: true });
}

await main();
