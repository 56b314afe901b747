import { grantHandle, limits } from "#contract";
import type { Fence, Grant, GrantReader } from "#contract";
import type { Clock } from "#platform";
import type { Tx } from "#store";

export interface AccessParts {
  /** What is stopped now. */
  readonly fence: () => Fence;
  readonly grants: GrantReader;
  readonly clock: Clock;
}

/** A grant that this control signed, and its handle; nobody has said yet that it still stands. */
export interface ShownGrant {
  readonly grant: Grant;
  readonly handle: Uint8Array;
}

/** Calls that began under a grant may end under it when another has taken its place. */
const SUPERSEDED_MS = limits.planDeadlineMs.max + 5_000;

/** Null for a document that this control did not sign, or whose time is over. document: attacker-controlled. */
export function readShownGrant(
  { grants, clock }: AccessParts,
  document: Uint8Array,
): ShownGrant | null {
  try {
    const opened = grants.open(document, clock.now());
    return { grant: opened.body, handle: grantHandle(opened) };
  } catch {
    return null;
  }
}

/**
 * Null where a grant opens the keys of its install now; else why not, for the guest. It is one that control has on record for
 * that install of that tenant, has the capability, and nothing stops it. forWrite: the install stays as it is until `tx` ends.
 */
export async function accessDenial(
  tx: Tx,
  { fence, clock }: AccessParts,
  { grant, handle }: ShownGrant,
  forWrite: boolean,
): Promise<string | null> {
  if (!grant.capabilities.includes("storage.kv")) return "the grant has no storage.kv";
  const row = await tx
    .selectFrom("install")
    .innerJoin("install_grant", (join) =>
      join
        .onRef("install_grant.tenant_id", "=", "install.tenant_id")
        .onRef("install_grant.install_id", "=", "install.id"),
    )
    .innerJoin("artifact", "artifact.content_hash", "install_grant.content_hash")
    .select([
      "install.state",
      "install.updated_at",
      "install_grant.state as grant_state",
      "artifact.publisher_identity as signer",
    ])
    .where("install.tenant_id", "=", grant.tenant)
    .where("install.id", "=", grant.install)
    .where("install_grant.tenant_id", "=", grant.tenant)
    .where("install_grant.handle", "=", Buffer.from(handle))
    .$if(forWrite, (query) => query.forShare("install"))
    .executeTakeFirst();
  if (row === undefined) return "control knows no such grant"; // stops: another install's, a forged one
  if (!LIVE.includes(row.state)) return `the install is ${row.state}`;
  const age = clock.now().getTime() - row.updated_at.getTime();
  if (row.grant_state === "superseded" && age > SUPERSEDED_MS)
    return "another grant has taken its place";
  const entry = fence().hit({ ...grant, signer: row.signer });
  return entry === null ? null : "it was stopped";
}

const LIVE: readonly string[] = ["building", "ready", "failed"];
