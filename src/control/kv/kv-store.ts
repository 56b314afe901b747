import { sql } from "kysely";
import { cursorOf, keyOfCursor, kvRefusal, limits } from "#contract";
import type { KvCondition, KvReply, KvRequest } from "#contract";
import type { Tx } from "#store";

/** Whose keys: one install of one tenant. The transaction is the tenant's own. */
export interface KvSpace {
  readonly tenant: string;
  readonly install: string;
}

type Op<Name extends KvRequest["op"]> = Extract<KvRequest, { readonly op: Name }>;

/** Carries out one request. What it answers is durable once `tx` has ended well. request: attacker-controlled. */
export async function performKv(
  tx: Tx,
  space: KvSpace,
  request: KvRequest,
  now: Date,
): Promise<KvReply> {
  const refusal = kvRefusal(request);
  if (refusal !== null) return refusal;
  switch (request.op) {
    case "get":
      return getEntry(tx, space, request.key, now);
    case "put":
      return putEntry(tx, space, request, now);
    case "delete":
      return deleteEntry(tx, space, request, now);
    case "list":
      return listKeys(tx, space, request, now);
    default:
      return request satisfies never;
  }
}

/** True for writes: they lock what they judge. */
export function isKvWrite({ op }: KvRequest): boolean {
  return op === "put" || op === "delete";
}

async function getEntry(tx: Tx, space: KvSpace, key: string, now: Date): Promise<KvReply> {
  const row = await tx
    .selectFrom("kv_entry")
    .select(["value", "revision", "expires_at"])
    .where("tenant_id", "=", space.tenant)
    .where("install_id", "=", space.install)
    .where("key", "=", Buffer.from(key))
    .where((row) => row.or([row("expires_at", "is", null), row("expires_at", ">", now)]))
    .executeTakeFirst();
  if (row === undefined) return { kind: "absent" };
  return {
    kind: "entry",
    value: row.value,
    revision: Number(row.revision),
    expiresMs: row.expires_at?.getTime() ?? null,
  };
}

interface Held {
  readonly keys: number;
  readonly bytes: number;
}

/** Locks the install's row and counts one revision up: the next write waits. */
async function lockSpace(
  tx: Tx,
  { tenant, install }: KvSpace,
): Promise<Held & { readonly revision: number }> {
  const row = await tx
    .insertInto("kv_space")
    .values({ tenant_id: tenant, install_id: install, keys: 0, bytes: 0, revision: 1 })
    .onConflict((on) =>
      on
        .columns(["tenant_id", "install_id"])
        .doUpdateSet((eb) => ({ revision: eb("kv_space.revision", "+", "1") })),
    )
    .returning(["keys", "bytes", "revision"])
    .executeTakeFirstOrThrow();
  return { keys: row.keys, bytes: Number(row.bytes), revision: Number(row.revision) };
}

/** What stands under a key; its bytes count until it is taken away, expired or not. */
interface Standing {
  readonly bytes: number;
  /** Null for what has expired: it is absent. */
  readonly revision: number | null;
}

async function standing(tx: Tx, space: KvSpace, key: string, now: Date): Promise<Standing | null> {
  const row = await tx
    .selectFrom("kv_entry")
    .select(["revision", "expires_at", sql<number>`length(key) + length(value)`.as("bytes")])
    .where("tenant_id", "=", space.tenant)
    .where("install_id", "=", space.install)
    .where("key", "=", Buffer.from(key))
    .executeTakeFirst();
  if (row === undefined) return null;
  const expired = row.expires_at !== null && row.expires_at <= now;
  return { bytes: row.bytes, revision: expired ? null : Number(row.revision) };
}

function holds(condition: KvCondition, revision: number | null): boolean {
  if (condition.kind === "revision") return revision === condition.revision; // stops: a write over what somebody wrote meanwhile
  return condition.kind === "always" || revision === null;
}

async function putEntry(tx: Tx, space: KvSpace, request: Op<"put">, now: Date): Promise<KvReply> {
  const held = await lockSpace(tx, space);
  const there = await standing(tx, space, request.key, now);
  const current = there?.revision ?? null;
  if (!holds(request.condition, current)) return { kind: "conflict", current };
  const key = Buffer.from(request.key);
  const more = {
    keys: there === null ? 1 : 0,
    bytes: key.length + request.value.length - (there?.bytes ?? 0),
  };
  const room = await makeRoom(tx, space, held, more, key, now);
  if (typeof room === "string") return { kind: "failure", failure: room, message: "" };
  const row = {
    value: Buffer.from(request.value),
    revision: held.revision,
    expires_at:
      request.ttlSeconds === null ? null : new Date(now.getTime() + request.ttlSeconds * 1_000),
  };
  await tx
    .insertInto("kv_entry")
    .values({ tenant_id: space.tenant, install_id: space.install, key, ...row })
    .onConflict((on) => on.columns(["tenant_id", "install_id", "key"]).doUpdateSet(row))
    .execute();
  await holdSpace(tx, space, room);
  return { kind: "written", revision: held.revision };
}

/** What the install holds then; or the bound that it would pass, what has expired taken away first. */
async function makeRoom(
  tx: Tx,
  space: KvSpace,
  held: Held,
  more: Held,
  writing: Uint8Array,
  now: Date,
): Promise<Held | "quota-keys" | "quota-bytes"> {
  const sum = { keys: held.keys + more.keys, bytes: held.bytes + more.bytes };
  if (overBound(sum) === null) return sum;
  const swept = await sweepSpace(tx, space, now, writing);
  const left = { keys: sum.keys - swept.keys, bytes: sum.bytes - swept.bytes };
  const over = overBound(left);
  // What was swept is gone with this transaction, refused or not.
  if (over !== null)
    await holdSpace(tx, space, {
      keys: held.keys - swept.keys,
      bytes: held.bytes - swept.bytes,
    });
  return over ?? left;
}

function overBound({ keys, bytes }: Held): "quota-keys" | "quota-bytes" | null {
  if (keys > limits.kvKeys.value) return "quota-keys";
  return bytes > limits.kvBytes.value ? "quota-bytes" : null;
}

/** Takes away what has expired, but for the key that is being written; the caller holds the install's row. */
export async function sweepSpace(
  tx: Tx,
  { tenant, install }: KvSpace,
  now: Date,
  except: Uint8Array = new Uint8Array(),
): Promise<Held> {
  const { rows } = await sql<{ keys: number; bytes: number }>`
    with gone as (
      delete from kv_entry where tenant_id = ${tenant} and install_id = ${install} and expires_at <= ${now}
        and key <> ${Buffer.from(except)}
      returning length(key) + length(value) as bytes)
    select count(*)::int as keys, coalesce(sum(bytes), 0)::int as bytes from gone`.execute(tx);
  return rows[0] ?? { keys: 0, bytes: 0 };
}

export async function holdSpace(
  tx: Tx,
  { tenant, install }: KvSpace,
  { keys, bytes }: Held,
): Promise<void> {
  await tx
    .updateTable("kv_space")
    .set({ keys, bytes })
    .where("tenant_id", "=", tenant)
    .where("install_id", "=", install)
    .execute();
}

async function deleteEntry(
  tx: Tx,
  space: KvSpace,
  request: Op<"delete">,
  now: Date,
): Promise<KvReply> {
  const held = await lockSpace(tx, space);
  const there = await standing(tx, space, request.key, now);
  if (there === null || there.revision === null)
    return { kind: "failure", failure: "missing", message: "" };
  if (!holds(request.condition, there.revision))
    return { kind: "conflict", current: there.revision };
  await tx
    .deleteFrom("kv_entry")
    .where("tenant_id", "=", space.tenant)
    .where("install_id", "=", space.install)
    .where("key", "=", Buffer.from(request.key))
    .execute();
  await holdSpace(tx, space, { keys: held.keys - 1, bytes: held.bytes - there.bytes });
  return { kind: "deleted" };
}

/** In the order of the keys' bytes; one key more than asked for tells whether others follow. */
async function listKeys(
  tx: Tx,
  space: KvSpace,
  { prefix, cursor, max }: Op<"list">,
  now: Date,
): Promise<KvReply> {
  const after = Buffer.from(cursor === null ? "" : (keyOfCursor(cursor) ?? ""));
  const from = Buffer.from(prefix);
  const end = endOf(from);
  const rows = await tx
    .selectFrom("kv_entry")
    .select("key")
    .where("tenant_id", "=", space.tenant)
    .where("install_id", "=", space.install)
    .where("key", ">=", from)
    .where("key", ">", after)
    .$if(end !== null, (query) => query.where("key", "<", end ?? from))
    .where((row) => row.or([row("expires_at", "is", null), row("expires_at", ">", now)]))
    .orderBy("key")
    .limit(max + 1)
    .execute();
  const keys = rows.slice(0, max).map(({ key }) => key.toString("utf8"));
  const last = keys.at(-1);
  return {
    kind: "page",
    keys,
    cursor: rows.length > max && last !== undefined ? cursorOf(last) : null,
  };
}

/** The first key after all that start with `prefix`; null where all do. No byte of UTF-8 is 255. */
function endOf(prefix: Buffer): Buffer | null {
  if (prefix.length === 0) return null;
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
