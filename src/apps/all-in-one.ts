import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { EnvReader, jsonLog, Metrics, Readiness, runtimeFolder, startOperations } from "#platform";
import type { Log } from "#platform";
import { openDataFolder } from "./data-folder.ts";
import { lockData } from "./data-lock.ts";
import { readBrokerSettings } from "./broker-settings.ts";
import { readControlSettings } from "./control-settings.ts";
import { readGatewaySettings } from "./gateway-settings.ts";
import type { Mode } from "./mode.ts";
import { localEdgeUrl } from "./edge-door.ts";
import { keptEnrolments } from "./kept-enrolments.ts";
import { edgeDoorPort, operationsPort, operationsPorts } from "./operations.ts";
import { localEdgeKinds } from "./runner-base.ts";
import { readRunnerDoor } from "./runner-door.ts";
import type { RunnerDoorSettings } from "./runner-door.ts";
import type { EdgeKind } from "#store";
import { buildNative, CLONE, requireFree, runMain } from "./start-checks.ts";
import type { Samples } from "./samples.ts";
import { SupervisedPostgres } from "./supervised-postgres.ts";
import { SupervisedProcess } from "./supervised-process.ts";
import { untilStopped } from "./until-stopped.ts";
import { welcome } from "./welcome.ts";

const HELP = `npm start            runs Caisson on this machine, in development mode unless told (loopback only, no TLS)

settings, by environment:
  CAISSON_DATA       data folder; .caisson in this clone unless named
  CAISSON_PORT       port of control; the gateway has the next one (8700, 8701); metrics, health and
                     readiness are on +10 (supervisor), +11 (control), +12 (gateway), +13 (runner), +14 (broker)
  CAISSON_LOG_CALLS  which calls get a log line: failed, all or none; failed unless named
  SIGNING_TRUST_BUNDLE  PEM file or text of publisher keys to trust once scoped
  EXT_EGRESS_ALLOWLIST  origins that extensions may reach at all, comma-separated; none unless named
  CAISSON_EGRESS_DNS    servers that resolve those names; this machine's own unless named
  CAISSON_EGRESS_CA     PEM file of authorities to trust beside the well-known ones; none unless named
  RUNNER_BASE_URL    https://host:port of a runner elsewhere; this machine then runs none (docs/remote-runner.md).
                     CAISSON_RUNNER_CA: PEM file of the authorities of its certificate
  CAISSON_RUNNER_TLS_CERT, _TLS_KEY, _BIND, _PORT  where this machine's runner takes calls from elsewhere; nowhere unless named
  CAISSON_SAMPLES    off: no demo tenants and samples
  DATABASE_URL       a PostgreSQL of your own; CAISSON_DATABASE_OWNER_URL: a role that may change its schema
  CAISSON_MODE       production: TLS, sealed keys, an address of your choice; docs/production.md has its settings
`;

interface StartConfig {
  readonly data: string;
  readonly runtime: string;
  readonly mode: Mode;
  /** Edges that run here. */
  readonly edges: readonly EdgeKind[];
  /** Where the runner of this machine takes calls from elsewhere. */
  readonly door: RunnerDoorSettings | null;
  /** False: the operator has a database of their own. */
  readonly embeddedDatabase: boolean;
  readonly port: number;
  readonly samples: boolean;
}

function readStartConfig(env: Readonly<Record<string, string | undefined>>): StartConfig {
  const data = resolve(env["CAISSON_DATA"] ?? join(CLONE, ".caisson"));
  const runtime = runtimeFolder(env, data);
  const all = { ...env, CAISSON_DATA: data, CAISSON_RUNTIME: runtime, CAISSON_PG_SOCKET: runtime };
  const reader = new EnvReader(all);
  // What the processes will read is read here too, so that one refusal names every wrong setting.
  const { mode, runner } = readControlSettings(reader, all);
  readGatewaySettings(reader, all);
  readBrokerSettings(reader, all);
  const door = readRunnerDoor(reader);
  const production = mode.name === "production";
  const none = production || runner.kind === "https"; // nobody runs samples before the runner elsewhere is enrolled
  const samples = reader.choice("CAISSON_SAMPLES", ["on", "off"], none ? "off" : "on") === "on";
  if (samples && production)
    reader.refuse("CAISSON_SAMPLES", "demo tenants and samples are of development mode");
  return reader.done({
    data,
    runtime,
    mode,
    edges: localEdgeKinds(runner),
    door,
    embeddedDatabase: reader.optional("DATABASE_URL") === null,
    port: reader.int("CAISSON_PORT", { min: 1_024, max: 65_000, default: 8_700 }),
    samples,
  });
}

async function main(): Promise<void> {
  if (process.argv.includes("--help")) return void process.stdout.write(HELP);
  const log = jsonLog("supervisor");
  // From here on a signal stops in order, whatever step it meets.
  const stopped = untilStopped();
  const config = readStartConfig(process.env);
  await openDataFolder(config.data);
  await using _lock = await lockData(config.data);
  for (const port of [config.port, config.port + 1]) await requireFree(port, config.mode.bind);
  for (const port of [edgeDoorPort(config.port), ...operationsPorts(config.port)])
    await requireFree(port, "127.0.0.1");
  if (config.door !== null) await requireFree(config.door.port, config.door.bind);
  buildNative();
  const { runtime } = config;
  await mkdir(runtime, { recursive: true, mode: 0o700 });
  const place = { data: join(config.data, "postgres"), socketFolder: runtime };
  const postgres = config.embeddedDatabase ? new SupervisedPostgres(place, log) : null;
  const metrics = new Metrics("supervisor");
  const processes = processesOf(config, runtime, { log, metrics });
  const readiness = new Readiness();
  for (const child of processes) readiness.add(child.name, () => child.pid !== undefined);
  await using _operations = await startOperations({
    port: operationsPort(config.port, "supervisor"),
    metrics,
    readiness,
  });
  try {
    await Promise.race([serve(config, postgres, processes), stopped]);
    await stopped;
    readiness.leave();
    process.stdout.write("caisson: stopping\n");
  } finally {
    for (const child of processes.toReversed()) await child.stop();
    await postgres?.stop();
  }
  process.stdout.write("caisson: stopped\n");
}

async function serve(
  config: StartConfig,
  postgres: SupervisedPostgres | null,
  processes: readonly SupervisedProcess[],
): Promise<void> {
  const [control, ...edges] = processes;
  if (control === undefined) return;
  await startAll(config, postgres, control, edges);
  process.stdout.write(welcome(config, config.samples ? await samplesOf(config) : null));
}

/** Loaded only now, and only where asked for: extensions answer before. */
async function samplesOf({ data, port }: StartConfig): Promise<Samples> {
  const { provideSamples } = await import("./samples.ts");
  return provideSamples(data, port);
}

/** Edges that know this control from a former start do not wait for it; nor does any edge wait for another. */
async function startAll(
  { data, mode, port }: StartConfig,
  postgres: SupervisedPostgres | null,
  control: SupervisedProcess,
  edges: readonly SupervisedProcess[],
): Promise<void> {
  const kept = () =>
    keptEnrolments(
      data,
      localEdgeUrl(mode, port),
      edges.map(({ name }) => name),
    );
  const before = await kept();
  const startEdges = () => Promise.all(edges.map((edge) => edge.start()));
  const early = before === null ? null : startEdges();
  early?.catch(() => {}); // awaited below
  await postgres?.start();
  await control.start();
  await early;
  if (before === (await kept()) && early !== null) return;
  // Control has other keys than before: an edge reads its enrolment once.
  await Promise.all(edges.map((edge) => edge.stop()));
  await startEdges();
}

function processesOf(
  config: StartConfig,
  runtime: string,
  { log, metrics }: { readonly log: Log; readonly metrics: Metrics },
): SupervisedProcess[] {
  const env = { CAISSON_DATA: config.data, CAISSON_RUNTIME: runtime, CAISSON_PG_SOCKET: runtime };
  const onRestart = (name: string) => metrics.count("caisson_process_restarts_total", { name });
  const make = (name: "control" | "broker" | "runner" | "gateway", port?: number) =>
    new SupervisedProcess(
      name,
      {
        ...env,
        CAISSON_OPS_PORT: String(operationsPort(config.port, name)),
        ...(port === undefined ? {} : { CAISSON_PORT: String(port) }),
      },
      { log, onRestart },
    );
  return [
    make("control", config.port),
    ...config.edges.map((kind) => make(kind, kind === "gateway" ? config.port + 1 : undefined)),
  ];
}

await runMain(main);
