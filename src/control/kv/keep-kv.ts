import type { Store, Tx } from "#store";
import { holdSpace, sweepSpace } from "./kv-store.ts";
import type { KvSpace } from "./kv-store.ts";

const INSTALLS_PER_SWEEP = 1_000;

/** Takes all keys of an install away; a part of the transaction that removes the install. */
export async function removeKv(tx: Tx, { tenant, install }: KvSpace): Promise<void> {
  for (const table of ["kv_entry", "kv_space"] as const)
    await tx
      .deleteFrom(table)
      .where("tenant_id", "=", tenant)
      .where("install_id", "=", install)
      .execute();
}

/** Takes away what has expired: it is absent already, and goes on counting until then. */
export async function sweepKv(store: Store, now: Date): Promise<void> {
  const spaces = await store.asSystem((tx) =>
    tx
      .selectFrom("kv_entry")
      .select(["tenant_id", "install_id"])
      .distinct()
      .where("expires_at", "<=", now)
      .limit(INSTALLS_PER_SWEEP)
      .execute(),
  );
  for (const { tenant_id, install_id } of spaces)
    await store.asSystem((tx) => sweepOne(tx, { tenant: tenant_id, install: install_id }, now));
}

async function sweepOne(tx: Tx, space: KvSpace, now: Date): Promise<void> {
  const held = await tx
    .selectFrom("kv_space")
    .select(["keys", "bytes"])
    .where("tenant_id", "=", space.tenant)
    .where("install_id", "=", space.install)
    .forUpdate()
    .executeTakeFirst();
  if (held === undefined) return; // removed meanwhile
  const swept = await sweepSpace(tx, space, now);
  await holdSpace(tx, space, {
    keys: held.keys - swept.keys,
    bytes: Number(held.bytes) - swept.bytes,
  });
}
