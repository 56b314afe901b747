import { limits } from "#contract";
import type { RegistryParts } from "./registry-parts.ts";

/** Removes pushed manifests that were not admitted within limits.pendingMs, with their tags and referrers. */
export async function sweepPending({
  store,
  clock,
}: Pick<RegistryParts, "store" | "clock">): Promise<number> {
  const before = new Date(clock.now().getTime() - limits.pendingMs.value);
  return store.asSystem(async (tx) => {
    const admitted = tx.selectFrom("artifact").select("content_hash");
    const removed = await tx
      .deleteFrom("manifest")
      .where("created_at", "<", before)
      .where("digest", "not in", admitted)
      .where((eb) => eb.or([eb("subject", "is", null), eb("subject", "not in", admitted)]))
      .executeTakeFirst();
    return Number(removed.numDeletedRows);
  });
}
