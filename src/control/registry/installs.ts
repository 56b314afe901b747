import { classOf } from "#contract";
import type { ConfigValues, Snapshot, SnapshotGrant, SnapshotInstall } from "#contract";
import { limits } from "#contract";
import { removeKv } from "#kv";
import { judgeFence } from "#policy";
import type { Id } from "#platform";
import type { Store, Tx } from "#store";
import { RegistryError } from "./registry-error.ts";
import type { RegistryParts } from "./registry-parts.ts";

export interface InstallView {
  readonly id: string;
  readonly extension: string;
  readonly version: string;
  readonly contentHash: string;
  readonly state: string;
  readonly handle: string;
  readonly failure: string | null;
  readonly verdict: string;
  /** What the tenant set. */
  readonly config: ConfigValues;
}

export async function listInstalls(
  parts: RegistryParts,
  tenant: Id<"tenant">,
): Promise<InstallView[]> {
  return parts.store.asTenant(tenant, async (tx) => {
    const installs = await tx
      .selectFrom("install")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("state", "!=", "removed")
      .orderBy("extension_id")
      .execute();
    const views = await Promise.all(installs.map((install) => installView(tx, parts, install)));
    return views.filter((view) => view !== null);
  });
}

/** The newest grant tells version and failure; the install's own state tells whether something serves. */
async function installView(
  tx: Tx,
  parts: RegistryParts,
  install: { tenant_id: string; id: string; extension_id: string; state: string },
): Promise<InstallView | null> {
  const grant = await tx
    .selectFrom("install_grant")
    .leftJoin("artifact", "artifact.content_hash", "install_grant.content_hash")
    .selectAll("install_grant")
    .select("artifact.publisher_identity as signer")
    .where("install_grant.tenant_id", "=", install.tenant_id)
    .where("install_grant.install_id", "=", install.id)
    .where("install_grant.state", "!=", "superseded")
    .orderBy("install_grant.id", "desc")
    .limit(1)
    .executeTakeFirst();
  if (grant === undefined) return null;
  const { version, config } = parts.grants.open(grant.document, parts.clock.now()).body;
  const fence = parts.fences.current.hit({
    tenant: install.tenant_id,
    install: install.id,
    extension: install.extension_id,
    contentHash: grant.content_hash,
    signer: grant.signer,
  });
  return {
    id: install.id,
    extension: install.extension_id,
    version,
    contentHash: grant.content_hash,
    state: fence !== null ? "fenced" : grant.state === "building" ? "building" : install.state,
    handle: grant.handle.toString("hex"),
    failure: fence === null ? grant.failure : judgeFence({ fence }).detail,
    verdict: grant.verdict_id,
    config,
  };
}

/** Throws RegistryError "install.unknown". */
export async function findInstall(
  parts: RegistryParts,
  tenant: Id<"tenant">,
  extension: string,
): Promise<InstallView> {
  const found = (await listInstalls(parts, tenant)).find((view) => view.extension === extension);
  if (found === undefined)
    throw new RegistryError("install.unknown", `cannot find an install of ${extension}`);
  return found;
}

export async function uninstallExtension(
  parts: RegistryParts,
  tenant: Id<"tenant">,
  extension: string,
): Promise<void> {
  const { id } = await findInstall(parts, tenant, extension);
  await parts.store.asTenant(tenant, async (tx) => {
    // The install first: a write of its keys that is under way ends before, none comes after.
    await tx
      .updateTable("install")
      .set({ state: "removed", updated_at: parts.clock.now() })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .execute();
    await tx
      .updateTable("install_grant")
      .set({ state: "superseded" })
      .where("tenant_id", "=", tenant)
      .where("install_id", "=", id)
      .execute();
    await removeKv(tx, { tenant, install: id });
  });
}

/** A runner's word on a grant that it was to build. Idempotent. */
export async function recordBuild(
  parts: RegistryParts,
  handle: Buffer,
  failure: string | null,
): Promise<void> {
  await parts.store.asSystem(async (tx) => {
    const grant = await tx
      .selectFrom("install_grant")
      .selectAll()
      .where("handle", "=", handle)
      .where("state", "=", "building")
      .forUpdate()
      .executeTakeFirst();
    if (grant === undefined) return;
    await (failure === null ? markReady(tx, parts, grant) : markFailed(tx, parts, grant, failure));
  });
}

interface GrantKey {
  readonly tenant_id: string;
  readonly id: string;
  readonly install_id: string;
}

async function markReady(
  tx: Tx,
  parts: RegistryParts,
  { tenant_id, id, install_id }: GrantKey,
): Promise<void> {
  await tx
    .updateTable("install_grant")
    .set({ state: "superseded" })
    .where("tenant_id", "=", tenant_id)
    .where("install_id", "=", install_id)
    .where("id", "!=", id)
    .execute();
  await tx
    .updateTable("install_grant")
    .set({ state: "ready" })
    .where("tenant_id", "=", tenant_id)
    .where("id", "=", id)
    .execute();
  await tx
    .updateTable("install")
    .set({ state: "ready", grant_id: id, updated_at: parts.clock.now() })
    .where("tenant_id", "=", tenant_id)
    .where("id", "=", install_id)
    .execute();
}

async function markFailed(
  tx: Tx,
  parts: RegistryParts,
  { tenant_id, id, install_id }: GrantKey,
  failure: string,
): Promise<void> {
  await tx
    .updateTable("install_grant")
    .set({ state: "failed", failure: failure.slice(0, 500) })
    .where("tenant_id", "=", tenant_id)
    .where("id", "=", id)
    .execute();
  // An install that serves an older grant goes on serving it.
  await tx
    .updateTable("install")
    .set({ state: "failed", updated_at: parts.clock.now() })
    .where("tenant_id", "=", tenant_id)
    .where("id", "=", install_id)
    .where("grant_id", "is", null)
    .execute();
}

/** All that edges need, read in one transaction. Its epoch is above every earlier one. */
export async function buildSnapshot(parts: RegistryParts): Promise<Snapshot> {
  return parts.store.asSystem(async (tx) => {
    // Read before the rows: a fence set meanwhile has a higher epoch, and its own snapshot follows.
    const fenceEpoch = parts.fences.current.epoch;
    const epoch = await nextEpoch(tx);
    const keys = await tx
      .selectFrom("api_key")
      .select(["id", "tenant_id", "hash", "actions"])
      .where("revoked_at", "is", null)
      .orderBy("id")
      .execute();
    const granted = await tx
      .selectFrom("install_grant")
      .innerJoin("install", (join) =>
        join
          .onRef("install.tenant_id", "=", "install_grant.tenant_id")
          .onRef("install.id", "=", "install_grant.install_id"),
      )
      .innerJoin("artifact", "artifact.content_hash", "install_grant.content_hash")
      .select([
        "install_grant.state",
        "install_grant.document",
        "install_grant.handle",
        "install_grant.tenant_id",
        "install.id",
        "artifact.config",
        "artifact.publisher_identity as signer",
      ])
      .where("install_grant.state", "in", ["building", "ready"])
      .where("install.state", "in", ["building", "ready", "failed"])
      .orderBy("install_grant.id")
      .execute();
    // A grant whose time is over serves nothing any more; the others go on.
    const rows = granted.filter((row) => isLive(parts, row.document));
    return {
      epoch,
      fenceEpoch,
      keys: keys.map((key) => ({
        id: key.id,
        tenant: key.tenant_id,
        hash: key.hash.toString("hex"),
        call: key.actions.includes("ext:call"),
      })),
      installs: rows.flatMap((row) =>
        row.state === "ready" ||
        !rows.some((other) => other.id === row.id && other.state === "ready")
          ? [snapshotInstall(parts, row)]
          : [],
      ),
      grants: rows.map((row): SnapshotGrant => ({
        document: row.document,
        building: row.state === "building",
      })),
      greatestAgeMs: limits.snapshotAgeMs.value,
    };
  });
}

function isLive(parts: RegistryParts, document: Uint8Array): boolean {
  try {
    parts.grants.open(document, parts.clock.now());
    return true;
  } catch {
    return false;
  }
}

/** Of a row that no publish door wrote: a digest that is no key's. */
const NO_SIGNER = `sha256:${"0".repeat(64)}`;

function snapshotInstall(
  parts: RegistryParts,
  row: {
    state: string;
    document: Buffer;
    handle: Buffer;
    tenant_id: string;
    id: string;
    config: unknown;
    signer: string | null;
  },
): SnapshotInstall {
  const { body } = parts.grants.open(row.document, parts.clock.now());
  const config = row.config as { endpoints: SnapshotInstall["endpoints"] }; // written by the publish door from a parsed config
  return {
    tenant: row.tenant_id,
    id: row.id,
    extension: body.extension,
    version: body.version,
    contentHash: body.contentHash,
    signer: row.signer ?? NO_SIGNER,
    state: row.state === "ready" ? "ready" : "building",
    handle: row.handle.toString("hex"),
    endpoints: config.endpoints,
    deadlineMs: body.limits.deadlineMs,
    class: classOf(body.limits),
    concurrency: body.limits.concurrency,
  };
}

async function nextEpoch(tx: Tx): Promise<number> {
  const row = await tx
    .insertInto("counter")
    .values({ name: "snapshot", value: 1 })
    .onConflict((on) =>
      on.column("name").doUpdateSet((eb) => ({ value: eb("counter.value", "+", "1") })),
    )
    .returning("value")
    .executeTakeFirstOrThrow();
  return Number(row.value);
}

export async function listArtifacts(
  store: Store,
  extension: string | undefined,
): Promise<
  {
    contentHash: string;
    extension: string;
    version: string;
    state: string;
    publisherIdentity: string | null;
    verdict: string | null;
  }[]
> {
  const rows = await store.asSystem((tx) => {
    const all = tx
      .selectFrom("artifact")
      .selectAll()
      .orderBy("extension_id")
      .orderBy("created_at")
      .limit(1_000);
    return (extension === undefined ? all : all.where("extension_id", "=", extension)).execute();
  });
  return rows.map((row) => ({
    contentHash: row.content_hash,
    extension: row.extension_id,
    version: row.version,
    state: row.state,
    publisherIdentity: row.publisher_identity,
    verdict: row.verdict_id,
  }));
}
