import { openEnvelope, parseEnvelope, serializeEnvelope, signEnvelope } from "#trust";
import type { Signer } from "#trust";
import type { Audit } from "#audit";
import { verdictBytes, verdictId } from "#policy";
import type { Verdict } from "#policy";
import type { Store, Tx } from "#store";
import { RegistryError } from "./registry-error.ts";

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

/** A verdict's leaf of the audit log; written before anything is admitted on it. */
export async function auditVerdict(
  audit: Audit,
  verdict: Verdict,
  by: string,
  tenant: string | null,
): Promise<void> {
  const { door, outcome, subject } = verdict;
  const detail = `${door} ${outcome} ${verdictId(verdict)}`;
  await audit.record({ kind: "verdict", by, tenant, subject, detail });
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
