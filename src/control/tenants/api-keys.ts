import { createHash, randomBytes } from "node:crypto";
import type { Principal } from "#policy";
import { newId, parseId } from "#platform";
import type { Clock, Id } from "#platform";
import type { Queries, Store, Tx } from "#store";
import { TenantError } from "./tenant-error.ts";

const PREFIX = "csk_";
const EDGE_PREFIX = "cse_";
const SECRET = /^cs[ke]_[A-Za-z0-9_-]{43}$/;

export interface ApiKeyRecord {
  readonly id: string;
  readonly name: string;
  readonly actions: readonly string[];
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
}

/** 256 random bits, shown once; only the SHA-256 is stored. */
function newSecret(prefix: typeof PREFIX | typeof EDGE_PREFIX = PREFIX): string {
  return prefix + randomBytes(32).toString("base64url");
}

export function secretHash(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

export async function createApiKey(
  store: Store,
  clock: Clock,
  tenant: Id<"tenant">,
  wanted: { readonly name: string; readonly actions: readonly string[] },
  secret = newSecret(),
): Promise<{ id: Id<"apiKey">; key: string }> {
  const id = newId("apiKey");
  const row = {
    tenant_id: tenant,
    id,
    name: wanted.name,
    hash: secretHash(secret),
    actions: [...wanted.actions],
    created_at: clock.now(),
    revoked_at: null,
  };
  await store.asTenant(tenant, (tx) => tx.insertInto("api_key").values(row).execute());
  return { id, key: secret };
}

export async function listApiKeys(store: Store, tenant: Id<"tenant">): Promise<ApiKeyRecord[]> {
  const rows = await store.asTenant(tenant, (tx) =>
    tx.selectFrom("api_key").selectAll().where("tenant_id", "=", tenant).orderBy("id").execute(),
  );
  return rows.map(keyRecord);
}

/** Throws TenantError "key.unknown" for a key that is not there or is another tenant's: the same answer for both. */
export async function revokeApiKey(
  store: Store,
  clock: Clock,
  tenant: Id<"tenant">,
  id: string,
): Promise<ApiKeyRecord> {
  const row = await store.asTenant(tenant, (tx) =>
    tx
      .updateTable("api_key")
      .set({ revoked_at: clock.now() })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst(),
  );
  if (row === undefined)
    throw new TenantError(
      "key.unknown",
      `cannot revoke key ${id}: this tenant has none of that id`,
    );
  return keyRecord(row);
}

function keyRecord(row: {
  id: string;
  name: string;
  actions: string[];
  created_at: Date;
  revoked_at: Date | null;
}): ApiKeyRecord {
  return {
    id: row.id,
    name: row.name,
    actions: row.actions,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  };
}

/** secret: attacker-controlled. Null for a malformed, unknown or revoked key. */
export async function principalOf(store: Store, secret: string): Promise<Principal | null> {
  if (!SECRET.test(secret)) return null;
  const hash = secretHash(secret);
  // Edges ask for every guest's keys: one statement for them.
  if (secret.startsWith(EDGE_PREFIX))
    return store.unscoped((queries) => edgePrincipal(queries, hash));
  return store.asSystem(
    async (tx) => (await tenantPrincipal(tx, hash)) ?? (await operatorPrincipal(tx, hash)),
  );
}

async function tenantPrincipal(tx: Tx, hash: Buffer): Promise<Principal | null> {
  const row = await tx
    .selectFrom("api_key")
    .selectAll()
    .where("hash", "=", hash)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
  return row === undefined
    ? null
    : { kind: "apiKey", id: row.id, tenant: row.tenant_id, actions: row.actions, via: "key" };
}

async function operatorPrincipal(tx: Tx, hash: Buffer): Promise<Principal | null> {
  const row = await tx
    .selectFrom("operator_key")
    .select("id")
    .where("hash", "=", hash)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
  return row === undefined
    ? null
    : { kind: "operator", id: row.id, tenant: null, actions: [], via: "key" };
}

async function edgePrincipal(queries: Queries, hash: Buffer): Promise<Principal | null> {
  const row = await queries
    .selectFrom("edge")
    .select(["id", "kind"])
    .where("hash", "=", hash)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
  return row === undefined
    ? null
    : { kind: "edge", id: row.id, tenant: null, actions: [row.kind], via: "edge-token" };
}

/** Makes `secret` the one operator key; every earlier one is revoked. */
export async function setOperatorKey(store: Store, clock: Clock, secret: string): Promise<void> {
  await store.asSystem(async (tx) => {
    const hash = secretHash(secret);
    await tx
      .updateTable("operator_key")
      .set({ revoked_at: clock.now() })
      .where("revoked_at", "is", null)
      .where("hash", "!=", hash)
      .execute();
    await tx
      .insertInto("operator_key")
      .values({ id: newId("apiKey"), hash, created_at: clock.now(), revoked_at: null })
      .onConflict((on) => on.column("hash").doNothing())
      .execute();
  });
}

export function newEdgeToken(): string {
  return newSecret(EDGE_PREFIX);
}

export function parseTenantId(text: string): Id<"tenant"> | null {
  return parseId("tenant", text);
}
