import { openEnvelope, parseEnvelope, serializeEnvelope, signEnvelope } from "#trust";
import type { Signer } from "#trust";
import { denialCodes, verdictBytes, verdictId } from "#policy";
import type { Verdict } from "#policy";
import type { Store, Tx } from "#store";
import { RegistryError } from "./registry-error.ts";
import type { RegistryParts } from "./registry-parts.ts";

const PAYLOAD_TYPE = "application/vnd.caisson.verdict.v1+json";

/** Signs and keeps a verdict; refusals as well as admissions. Returns its id. */
export async function recordVerdict(
  tx: Tx,
  verdict: Verdict,
  signer: Signer,
  tenant: string | null,
): Promise<string> {
  const id = verdictId(verdict);
  const document = serializeEnvelope(signEnvelope(PAYLOAD_TYPE, verdictBytes(verdict), signer));
  await tx
    .insertInto("verdict")
    .values({
      id,
      door: verdict.door,
      outcome: verdict.outcome,
      subject: verdict.subject,
      tenant_id: tenant,
      document: Buffer.from(document),
      created_at: new Date(verdict.at),
    })
    .onConflict((on) => on.column("id").doNothing())
    .execute();
  return id;
}

/** Whom a door answered, and about what. */
export interface Asked {
  readonly by: string;
  readonly tenant: string | null;
  readonly extension: string;
  readonly version: string;
}

/** What happens when a door has judged: a leaf of the audit log, before anything is admitted on it; a log line; a count. */
export async function tellVerdict(
  { audit, events }: Pick<RegistryParts, "audit" | "events">,
  verdict: Verdict,
  { by, tenant, extension, version }: Asked,
): Promise<void> {
  const { door, outcome, subject, reasons } = verdict;
  const id = verdictId(verdict);
  await audit.record({ kind: "verdict", by, tenant, subject, detail: `${door} ${outcome} ${id}` });
  events.metrics.count("caisson_door_verdicts_total", { door, outcome });
  const codes = denialCodes(reasons).join(" ");
  const line = {
    door,
    outcome,
    verdict: id,
    by,
    tenant,
    extension,
    version,
    content_hash: subject,
  };
  events.log[outcome === "allow" ? "info" : "warn"]("verdict", { ...line, codes });
}

export interface KeptVerdict {
  readonly id: string;
  readonly verdict: Verdict;
  /** Whose verdict it is; null: the publish door's, of no tenant. */
  readonly tenant: string | null;
}

/** Throws RegistryError "verdict.unknown"; a stored verdict whose signature does not hold is not shown. */
export async function findVerdict(store: Store, id: string, signer: Signer): Promise<KeptVerdict> {
  const row = await store.asSystem((tx) =>
    tx
      .selectFrom("verdict")
      .select(["document", "tenant_id"])
      .where("id", "=", id)
      .executeTakeFirst(),
  );
  if (row === undefined) throw new RegistryError("verdict.unknown", "cannot find that verdict");
  const envelope = parseEnvelope(row.document, { maxBytes: 1_048_576 });
  openEnvelope(envelope, PAYLOAD_TYPE, [signer.publicKey]);
  return {
    id,
    verdict: JSON.parse(Buffer.from(envelope.payload).toString("utf8")) as Verdict,
    tenant: row.tenant_id,
  }; // signed by us just so
}
