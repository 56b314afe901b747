import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { EnvReader, jsonLog, Metrics, Readiness, runtimeFolder, startOperations } from "#platform";
import type { EdgeKind } from "#store";
import { readBrokerSettings } from "./broker-settings.ts";
import { openDataFolder, StartError } from "./data-folder.ts";
import { lockData } from "./data-lock.ts";
import { readGatewaySettings } from "./gateway-settings.ts";
import { operationsPort } from "./operations.ts";
import { readRunnerDoor } from "./runner-door.ts";
import type { RunnerDoorSettings } from "./runner-door.ts";
import { buildNative, requireFree, runMain } from "./start-checks.ts";
import { SupervisedProcess } from "./supervised-process.ts";
import { untilStopped } from "./until-stopped.ts";

const HELP = `npm run edges        runs the edges of this machine: gateway, runner and broker, whichever are enrolled

Each is enrolled by a file <CAISSON_DATA>/edge/<kind>.json, which caisson edge enrol writes (docs/remote-runner.md).

settings, by environment:
  CAISSON_DATA       data folder of this machine's edges; not one of control
  CAISSON_PORT       the gateway has the next port (8701); metrics, health and readiness are on
                     +10 (supervisor), +12 (gateway), +13 (runner), +14 (broker)
  CAISSON_RUNNER_TLS_CERT, _TLS_KEY, _BIND, _PORT  where the runner takes calls from elsewhere; nowhere unless named
  EXT_EGRESS_ALLOWLIST  origins that extensions may reach at all from this machine, comma-separated
  RUNNER_BASE_URL, CAISSON_RUNNER_CA  where the gateway's runner is; this machine unless named
`;

const KINDS: readonly EdgeKind[] = ["broker", "runner", "gateway"];

interface EdgesConfig {
  readonly data: string;
  readonly runtime: string;
  readonly kinds: readonly EdgeKind[];
  readonly port: number;
  readonly door: RunnerDoorSettings | null;
}

/** What the processes will read is read here too, so that one refusal names every wrong setting. */
function readEdgesConfig(env: Readonly<Record<string, string | undefined>>): EdgesConfig {
  const reader = new EnvReader(env);
  const data = resolve(reader.required("CAISSON_DATA"));
  const kinds = KINDS.filter((kind) => existsSync(join(data, `edge/${kind}.json`)));
  if (kinds.includes("gateway")) readGatewaySettings(reader, env);
  if (kinds.includes("broker")) readBrokerSettings(reader, env);
  const door = kinds.includes("runner") ? readRunnerDoor(reader) : null;
  const port = reader.int("CAISSON_PORT", { min: 1_024, max: 65_000, default: 8_700 });
  return reader.done({ data, runtime: runtimeFolder(env, data), kinds, port, door });
}

async function main(): Promise<void> {
  if (process.argv.includes("--help")) return void process.stdout.write(HELP);
  const log = jsonLog("supervisor");
  const stopped = untilStopped();
  const config = readEdgesConfig(process.env);
  const { data, runtime, kinds, port, door } = config;
  if (kinds.length === 0 || existsSync(join(data, "keys")))
    throw new StartError(
      "edges.none",
      kinds.length === 0
        ? `cannot find an enrolled edge in ${data}: caisson edge enrol writes ${join(data, "edge")}/<kind>.json`
        : `cannot run edges alone in ${data}: it is control's, whose start runs them`,
    );
  await openDataFolder(data);
  await using _lock = await lockData(data);
  for (const name of ["supervisor", ...kinds] as const)
    await requireFree(operationsPort(port, name), "127.0.0.1");
  if (door !== null) await requireFree(door.port, door.bind);
  if (kinds.includes("runner")) buildNative();
  await mkdir(runtime, { recursive: true, mode: 0o700 });
  const metrics = new Metrics("supervisor");
  const processes = kinds.map(
    (kind) =>
      new SupervisedProcess(
        kind,
        {
          CAISSON_DATA: data,
          CAISSON_RUNTIME: runtime,
          CAISSON_OPS_PORT: String(operationsPort(port, kind)),
          ...(kind === "gateway" ? { CAISSON_PORT: String(port + 1) } : {}),
        },
        { log, onRestart: (name) => metrics.count("caisson_process_restarts_total", { name }) },
      ),
  );
  const readiness = new Readiness();
  for (const child of processes) readiness.add(child.name, () => child.pid !== undefined);
  await using _operations = await startOperations({
    port: operationsPort(port, "supervisor"),
    metrics,
    readiness,
  });
  try {
    await Promise.race([Promise.all(processes.map((edge) => edge.start())), stopped]);
    process.stdout.write(`caisson: ${kinds.join(", ")} run; Ctrl-C stops everything\n`);
    await stopped;
    readiness.leave();
  } finally {
    for (const child of processes.toReversed()) await child.stop();
  }
  process.stdout.write("caisson: stopped\n");
}

await runMain(main);
