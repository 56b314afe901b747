import { join } from "node:path";
import { ExecutionEncoder, limits } from "#contract";
import {
  dataFolder,
  endWithParent,
  EnvReader,
  jsonLog,
  runtimeFolder,
  systemClock,
} from "#platform";
import { GatewayServer, SandboxLine } from "#gateway";
import { openControlLine, openSpool, readEnrolment } from "#link";
import { untilStopped } from "./until-stopped.ts";

interface GatewayConfig {
  readonly data: string;
  readonly runtime: string;
  readonly port: number;
  readonly deadlineMs: number;
}

function readGatewayConfig(env: Readonly<Record<string, string | undefined>>): GatewayConfig {
  const reader = new EnvReader(env);
  const data = dataFolder(env);
  return reader.done({
    data,
    runtime: runtimeFolder(env, data),
    port: reader.int("CAISSON_PORT", { min: 0, max: 65_535, default: 8_701 }),
    deadlineMs: reader.int("EXT_GATEWAY_TIMEOUT_MS", {
      min: 1,
      max: limits.callDeadlineMs.max,
      default: limits.callDeadlineMs.value,
    }),
  });
}

async function main(): Promise<void> {
  endWithParent();
  const log = jsonLog("gateway");
  const config = readGatewayConfig(process.env);
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
  using sandbox = new SandboxLine({
    socketPath: join(config.runtime, "sandbox.sock"),
    secretPath: join(config.runtime, "sandbox.secret"),
  });
  const { server } = new GatewayServer({
    fresh: () => line.fresh(),
    sandbox: () => sandbox.client,
    record: (record) => spool.append(record),
    spoolOpen: () => spool.open,
    deadlineMs: config.deadlineMs,
  });
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(config.port, "127.0.0.1", resolve),
  );
  log.info("gateway.ready", { port: config.port });
  process.send?.({ ready: config.port });
  await untilStopped();
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 5_000).unref();
  });
}

await main();
