import { newId, parseId } from "#platform";
import type { Clock, Id } from "#platform";
import type { Store } from "#store";
import { TenantError } from "./tenant-error.ts";

export interface Tenant {
  readonly id: Id<"tenant">;
  readonly name: string;
  readonly createdAt: Date;
}

/** Throws TenantError "tenant.exists". */
export async function createTenant(store: Store, clock: Clock, name: string): Promise<Tenant> {
  const tenant = { id: newId("tenant"), name, createdAt: clock.now() };
  const made = await store.asSystem((tx) =>
    tx
      .insertInto("tenant")
      .values({ id: tenant.id, name, created_at: tenant.createdAt })
      .onConflict((on) => on.column("name").doNothing())
      .returning("id")
      .executeTakeFirst(),
  );
  if (made === undefined)
    throw new TenantError("tenant.exists", `cannot make tenant ${name}: the name is taken`);
  return tenant;
}

export async function listTenants(store: Store): Promise<Tenant[]> {
  const rows = await store.asSystem((tx) =>
    tx.selectFrom("tenant").selectAll().orderBy("id").execute(),
  );
  return rows.map((row) => ({
    id: row.id as Id<"tenant">,
    name: row.name,
    createdAt: row.created_at,
  })); // ids come from newId
}

/** text: attacker-controlled. Throws TenantError "tenant.unknown". */
export async function findTenant(store: Store, text: string): Promise<Tenant> {
  const id = parseId("tenant", text);
  const row =
    id === null
      ? undefined
      : await store.asSystem((tx) =>
          tx.selectFrom("tenant").selectAll().where("id", "=", id).executeTakeFirst(),
        );
  if (id === null || row === undefined)
    throw new TenantError("tenant.unknown", "cannot find that tenant");
  return { id, name: row.name, createdAt: row.created_at };
}

/** Throws TenantError "publisher.exists" where another tenant owns the name; the same tenant may ask again. */
export async function createPublisher(
  store: Store,
  clock: Clock,
  name: string,
  tenant: Id<"tenant">,
): Promise<void> {
  await store.asSystem((tx) =>
    tx
      .insertInto("publisher")
      .values({ name, tenant_id: tenant, created_at: clock.now() })
      .onConflict((on) => on.column("name").doNothing())
      .execute(),
  );
  if ((await publisherOwner(store, name)) !== tenant)
    throw new TenantError("publisher.exists", `cannot make publisher ${name}: the name is taken`);
}

/** The tenant that owns a publisher's name; null where there is none. */
export async function publisherOwner(store: Store, name: string): Promise<string | null> {
  const row = await store.asSystem((tx) =>
    tx.selectFrom("publisher").select("tenant_id").where("name", "=", name).executeTakeFirst(),
  );
  return row?.tenant_id ?? null;
}
