import { unwatchFile, watchFile } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { logKeyOf, noteSigner } from "#trust";
import { GrantReader, parseToolchainImports } from "#contract";
import {
  endWithParent,
  EnvReader,
  isApiKey,
  jsonLog,
  Metrics,
  Readiness,
  startOperations,
  systemClock,
  writeFileDurably,
} from "#platform";
import type { Log } from "#platform";
import { migrate, openStore, requireCurrent } from "#store";
import { openLog } from "#log";
import { openAudit } from "#audit";
import { Fences } from "#fence";
import { sweepKv } from "#kv";
import { sweepLogs } from "#executions";
import { PostureDesk, SelfChecks } from "#posture";
import { BlobStore, openKeys, sweepPending, TrialDesk, TrustRoots } from "#registry";
import type { ControlKeys, RegistryParts } from "#registry";
import { startControlApi } from "#api";
import { setOperatorKey } from "#tenants";
import { enrolLocalEdges, operatorKeyOf } from "./local-secrets.ts";
import { localEdgeKinds } from "./runner-base.ts";
import { readControlSettings } from "./control-settings.ts";
import type { ControlSettings } from "./control-settings.ts";
import { ownChecks } from "./own-checks.ts";
import { openEdgeDoor, publicUrl } from "./edge-door.ts";
import { followCertificate, publicServer } from "./public-server.ts";
import { untilStopped } from "./until-stopped.ts";

const CLONE = fileURLToPath(new URL("../..", import.meta.url));
const KEY_LOOK_MS = 250;
const ORIGIN = "caisson.local/artifacts";
const AUDIT_ORIGIN = "caisson.local/audit";
const SWEEP_MS = 3_600_000;
const TOOLCHAIN_IMPORTS = fileURLToPath(
  new URL("../../sdk/wit/toolchain-imports.txt", import.meta.url),
);

async function main(): Promise<void> {
  endWithParent();
  const log = jsonLog("control");
  const metrics = new Metrics("control");
  const readiness = new Readiness();
  const reader = new EnvReader(process.env);
  const config = reader.done(readControlSettings(reader, process.env));
  const { mode, database } = config;
  const keys = await openKeys(join(config.data, "keys"), mode.passphrase);
  if (database.owner === null) await requireCurrent(database.app);
  else await migrate(database.owner);
  await using store = openStore(database.app);
  const logFolder = join(config.data, "logs/artifacts");
  await using artifactLog = await openLog({
    dir: logFolder,
    origin: ORIGIN,
    signer: keys.artifactLog,
    dedup: true,
  });
  const auditFolder = join(config.data, "logs/audit");
  await using auditLog = await openLog({
    dir: auditFolder,
    origin: AUDIT_ORIGIN,
    signer: keys.auditLog,
  });
  const audit = openAudit({ store, clock: systemClock, log: auditLog });
  const registry = await openRegistry(config, keys, {
    store,
    log: artifactLog,
    audit,
    events: { log, metrics },
  });
  await using api = await startControlApi(
    {
      registry,
      log,
      metrics,
      logFolder,
      posture: new PostureDesk({
        root: CLONE,
        clock: systemClock,
        mode: mode.name,
        checks: new SelfChecks(systemClock),
      }),
      ownChecks: () => ownChecks(join(config.data, "keys"), mode),
    },
    {
      host: mode.bind,
      port: config.port,
      serve: (options, listener) => publicServer(mode, options, listener),
    },
  );
  using _certificate = followCertificate(mode, api.server, log);
  await using edges = await openEdgeDoor(mode, api);
  await writeFileDurably(`${logFolder}.vkey`, `${registry.logKey.verifierKey}\n`);
  await writeFileDurably(`${auditFolder}.vkey`, `${registry.auditLogKey}\n`);
  await enrolLocal(config, registry, edges.url);
  using _sweep = sweepRegularly(registry, log);
  using _key = followOperatorKey(operatorKeyPath(config), registry, log);
  readiness.add("database", () => store.answers());
  await using operations = await startOperations({
    port: config.operationsPort,
    metrics,
    readiness,
  });
  const url = publicUrl(mode, api.port);
  log.info("control.ready", { url, mode: mode.name, operations: operations.port });
  process.send?.({ ready: url });
  await untilStopped();
  readiness.leave();
  log.info("control.leaving", {});
}

function operatorKeyPath({ data, mode }: ControlSettings): string {
  return mode.operatorKeyFile ?? join(data, "keys/operator.key");
}

async function openRegistry(
  config: ControlSettings,
  keys: ControlKeys,
  { store, log, audit, events }: Pick<RegistryParts, "store" | "log" | "audit" | "events">,
): Promise<RegistryParts> {
  const logKey = logKeyOf(
    noteSigner(ORIGIN, keys.artifactLog).verifierKey,
    new Date("2020-01-01T00:00:00Z"),
  );
  const bundlePem = config.trustBundle === null ? null : await bundleText(config.trustBundle);
  return {
    store,
    clock: systemClock,
    blobs: await BlobStore.open(join(config.data, "oci")),
    keys,
    grants: new GrantReader(keys.state.publicKey),
    trust: await TrustRoots.open({
      store,
      clock: systemClock,
      signer: keys.trustRoot,
      logs: [logKey],
      bundlePem,
    }),
    log,
    logKey,
    audit,
    auditLogKey: noteSigner(AUDIT_ORIGIN, keys.auditLog).verifierKey,
    events,
    fences: await Fences.open({ store, clock: systemClock }),
    trials: new TrialDesk(),
    toolchainImports: parseToolchainImports(await readFile(TOOLCHAIN_IMPORTS, "utf8")),
  };
}

/** `SIGNING_TRUST_BUNDLE` is PEM text or the path of a PEM file. */
async function bundleText(value: string): Promise<string> {
  return value.includes("-----BEGIN") ? value : readFile(value, "utf8");
}

async function enrolLocal(
  { data, mode, runner }: ControlSettings,
  registry: RegistryParts,
  url: string,
): Promise<void> {
  const { keys, store, clock } = registry;
  await setOperatorKey(store, clock, await operatorKeyOf(data, mode.operatorKeyFile));
  await enrolLocalEdges({ data, url, kinds: localEdgeKinds(runner), keys, store, clock });
}

/** Guest log lines past their time, keys that have expired, and pushes that nobody asked the publish door about. */
function sweepRegularly(registry: RegistryParts, log: Log): Disposable {
  const sweep = () => {
    Promise.all([
      sweepLogs(registry.store, registry.clock.now()),
      sweepKv(registry.store, registry.clock.now()),
      sweepPending(registry),
    ]).catch((error: unknown) => log.error("sweep.failed", { reason: String(error) }));
  };
  const timer = setInterval(sweep, SWEEP_MS);
  sweep();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** `operator reset-key` writes a new file: from then on only the new key is the operator's. */
function followOperatorKey(path: string, registry: RegistryParts, log: Log): Disposable {
  const take = async () => {
    const key = (await readFile(path, "utf8")).trim();
    if (!isApiKey(key)) return log.error("operator.key.malformed", { path });
    await registry.audit.record({
      kind: "operator-key.set",
      by: "system",
      tenant: null,
      subject: "operator",
      detail: "",
    });
    await setOperatorKey(registry.store, registry.clock, key);
    log.info("operator.key.taken", {});
  };
  const onChange = () => {
    take().catch((error: unknown) => log.error("operator.key.unread", { reason: String(error) }));
  };
  watchFile(path, { interval: KEY_LOOK_MS }, onChange);
  return { [Symbol.dispose]: () => unwatchFile(path, onChange) };
}

await main();
