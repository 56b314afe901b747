import { parseId } from "#platform";
import type { Store } from "#store";

/** The tenant of an install; null where there is none of that id. id: attacker-controlled. */
export async function installTenant(store: Store, id: string): Promise<string | null> {
  if (parseId("install", id) === null) return null;
  const row = await store.asSystem((tx) =>
    tx
      .selectFrom("install")
      .select("tenant_id")
      .where("id", "=", id)
      .where("state", "!=", "removed")
      .executeTakeFirst(),
  );
  return row?.tenant_id ?? null;
}

/** The publisher under whose name a digest was admitted; null for a digest that never was. */
export async function publisherOf(store: Store, contentHash: string): Promise<string | null> {
  const row = await store.asSystem((tx) =>
    tx
      .selectFrom("artifact")
      .select("extension_id")
      .where("content_hash", "=", contentHash)
      .executeTakeFirst(),
  );
  return row?.extension_id.split(".")[0] ?? null;
}
