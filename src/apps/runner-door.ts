import { createServer } from "node:https";
import { isIP } from "node:net";
import { join } from "node:path";
import { ExecutionEncoder } from "#contract";
import type { Grant } from "#contract";
import { Admission, ExecuteServer } from "#execute";
import { SandboxLines } from "#gateway";
import { openSpool } from "#link";
import type { ControlLine, Enrolment } from "#link";
import { systemClock } from "#platform";
import type { EnvReader, Log, Metrics } from "#platform";
import { drainServer } from "./drain.ts";
import { LOOPBACK, readPair } from "./mode.ts";
import type { TlsPair } from "./mode.ts";
import { followPair } from "./public-server.ts";

/** How a runner takes calls from elsewhere: over TLS alone. */
export interface RunnerDoorSettings {
  readonly bind: string;
  readonly port: number;
  readonly certFile: string;
  readonly keyFile: string;
  readonly pair: TlsPair;
}

const DEFAULT_PORT = 8_704;
const DRAIN_MS = 30_000;
const HANDSHAKE_MS = 10_000;
const CERT = "CAISSON_RUNNER_TLS_CERT";
const KEY = "CAISSON_RUNNER_TLS_KEY";
const BIND = "CAISSON_RUNNER_BIND";
const PORT = "CAISSON_RUNNER_PORT";

/** Null unless its settings are there: then a runner listens nowhere. */
export function readRunnerDoor(reader: EnvReader): RunnerDoorSettings | null {
  const given = [CERT, KEY, BIND, PORT].filter((name) => reader.optional(name) !== null);
  if (given.length === 0) return null;
  const [certFile, keyFile, bind] = [CERT, KEY, BIND].map((name) => reader.required(name));
  const port = reader.int(PORT, { min: 1, max: 65_535, default: DEFAULT_PORT });
  if (bind !== undefined && bind !== "" && isIP(bind) === 0)
    reader.refuse(BIND, "wanted an IP address to listen on, such as 0.0.0.0");
  if (!certFile || !keyFile || !bind) return null; // each is refused above
  if (reader.text("CAISSON_MODE", "") === "development" && !LOOPBACK.includes(bind))
    reader.refuse(BIND, `development mode listens on loopback alone (${LOOPBACK.join(", ")})`);
  const pair = readPair(certFile, keyFile, null, new Date());
  if (typeof pair !== "string") return { bind, port, certFile, keyFile, pair };
  reader.refuse(CERT, pair);
  return null;
}

export interface RunnerDoorParts {
  readonly settings: RunnerDoorSettings | null;
  readonly place: { readonly data: string; readonly runtime: string };
  readonly enrolment: Enrolment;
  readonly line: ControlLine;
  readonly grantOf: (handle: string) => Grant | undefined;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Takes calls of gateways and operators elsewhere, on the sandbox that this runner keeps. */
export async function openRunnerDoor(parts: RunnerDoorParts): Promise<AsyncDisposable> {
  const { settings, place, enrolment, line, log, metrics } = parts;
  if (settings === null) {
    metrics.show("caisson_execute_open_calls", () => 0);
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const spool = await openSpool({
    dir: join(place.data, "runner/executions"),
    newEncoder: () => new ExecutionEncoder(),
    send: (batch) => line.post("/v1/edge/executions", batch),
    log,
  });
  const sandboxes = new SandboxLines(place.runtime);
  const execute = new ExecuteServer({
    serve: (options, listener) =>
      createServer(
        { ...options, ...settings.pair, minVersion: "TLSv1.3", handshakeTimeout: HANDSHAKE_MS },
        listener,
      ),
    admission: new Admission({
      runner: enrolment.edge,
      stateKey: enrolment.stateKey,
      fence: () => line.state.fence,
      clock: systemClock,
    }),
    runner: enrolment.edge,
    fresh: () => line.fresh(),
    grantOf: parts.grantOf,
    sandbox: (runnerClass) => sandboxes.client(runnerClass),
    record: (record, answer) => {
      if (!spool.append(record, answer)) answer.onWritten(false);
    },
    spoolOpen: () => spool.open,
    onAnswer: (code) => metrics.count("caisson_execute_answers_total", { code }),
  });
  const { server } = execute;
  metrics.show("caisson_execute_open_calls", () => execute.open);
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(settings.port, settings.bind, resolve),
  );
  const certificate = followPair({ ...settings, host: null }, server, log);
  return {
    async [Symbol.asyncDispose]() {
      certificate[Symbol.dispose]();
      await drainServer(server, () => execute.open, DRAIN_MS);
      sandboxes[Symbol.dispose]();
      await spool[Symbol.asyncDispose]();
    },
  };
}
