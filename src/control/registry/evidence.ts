import { digestOf, parseDigest } from "#trust";
import type { FileDigest } from "#trust";
import { limits, parseArtifactManifest, parseExtensionConfig } from "#contract";
import type { ArtifactEvidence, Evidence, StatedExecution, VerdictEvidence } from "#contract";
import type { Verdict } from "#policy";
import { RegistryError } from "./registry-error.ts";
import type { RegistryParts } from "./registry-parts.ts";
import { findVerdict } from "./verdict-store.ts";

/** Everything with which a verdict can be judged again elsewhere. Throws RegistryError "verdict.unknown". */
export async function verdictEvidence(
  parts: RegistryParts,
  id: string,
  execution: StatedExecution | null = null,
): Promise<Evidence> {
  const { verdict } = await findVerdict(parts.store, id, parts.keys.verdict);
  const published = verdict.door === "install" ? await publishVerdictOf(parts, verdict) : null;
  return {
    execution,
    verdicts: [
      await evidenceOf(parts, id, verdict),
      ...(published === null ? [] : [await evidenceOf(parts, published.id, published.verdict)]),
    ],
    grant: await grantOf(parts, id),
    artifact: await artifactOf(parts, verdict),
  };
}

/** The verdict under which a call ran: that of the newest grant of those bytes before it. Null where it is not kept. */
export async function verdictOfCall(
  { store }: RegistryParts,
  { install, contentHash, openedAt }: { install: string; contentHash: string; openedAt: string },
): Promise<string | null> {
  const row = await store.asSystem((tx) =>
    tx
      .selectFrom("install_grant")
      .select("verdict_id")
      .where("install_id", "=", install)
      .where("content_hash", "=", contentHash)
      .where("created_at", "<=", new Date(openedAt))
      .orderBy("created_at", "desc")
      .limit(1)
      .executeTakeFirst(),
  );
  return row?.verdict_id ?? null;
}

async function evidenceOf(
  parts: RegistryParts,
  id: string,
  verdict: Verdict,
): Promise<VerdictEvidence> {
  const audit = await parts.audit.proveVerdict(id, new Date(verdict.at));
  if (audit === null)
    throw new RegistryError("verdict.unknown", "cannot find that verdict in the audit log");
  return {
    document: await documentOf(parts, id),
    audit,
    trustRoot: await trustRootOf(parts, verdict.inputs.trustRoot),
  };
}

async function documentOf({ store }: RegistryParts, id: string): Promise<Uint8Array> {
  const row = await store.asSystem((tx) =>
    tx.selectFrom("verdict").select("document").where("id", "=", id).executeTakeFirstOrThrow(),
  );
  return row.document;
}

/** Every trust root that was ever sealed is kept; there are as many as there were changes and starts. */
async function trustRootOf({ store }: RegistryParts, digest: string | null): Promise<Uint8Array> {
  const rows = await store.asSystem((tx) =>
    tx.selectFrom("trust_root").select("document").orderBy("version", "desc").execute(),
  );
  const found = rows.find((row) => digestOf("document", row.document) === digest);
  if (found === undefined)
    throw new RegistryError("verdict.unknown", "cannot find the trust root of that verdict");
  return found.document;
}

async function publishVerdictOf(
  { store, keys }: RegistryParts,
  { subject }: Verdict,
): Promise<{ id: string; verdict: Verdict } | null> {
  const row = await store.asSystem((tx) =>
    tx
      .selectFrom("artifact")
      .select("verdict_id")
      .where("content_hash", "=", subject)
      .executeTakeFirst(),
  );
  return row === undefined || row.verdict_id === null
    ? null
    : findVerdict(store, row.verdict_id, keys.verdict);
}

async function grantOf({ store }: RegistryParts, id: string): Promise<Uint8Array | null> {
  const row = await store.asSystem((tx) =>
    tx
      .selectFrom("install_grant")
      .select("document")
      .where("verdict_id", "=", id)
      .executeTakeFirst(),
  );
  return row?.document ?? null;
}

/** Null where no version stands for the bytes: what is only pushed is seen by its publisher alone, also here. */
async function artifactOf(
  parts: RegistryParts,
  { subject }: Verdict,
): Promise<ArtifactEvidence | null> {
  const row = await parts.store.asSystem((tx) =>
    tx
      .selectFrom("artifact")
      .innerJoin("manifest", "manifest.digest", "artifact.content_hash")
      .select(["artifact.signature", "manifest.bytes"])
      .where("artifact.content_hash", "=", subject)
      .executeTakeFirst(),
  );
  if (row?.signature === undefined || row.signature === null) return null;
  const manifest = parseArtifactManifest(row.bytes);
  const config = await blob(parts, manifest.config.digest);
  const { component: path } = parseExtensionConfig(config);
  const layer = manifest.layers.find((file) => file.path === path);
  const component = layer === undefined ? new Uint8Array() : await blob(parts, layer.digest);
  const bundle = await blob(parts, parseDigest("file", row.signature));
  return { manifest: row.bytes, config, component, bundle };
}

async function blob({ blobs }: RegistryParts, digest: FileDigest): Promise<Uint8Array> {
  const bytes = await blobs.read(digest, limits.artifactFileBytes.value);
  if (bytes === null)
    throw new RegistryError("digest.mismatch", `cannot read ${digest}: its bytes are missing`);
  return bytes;
}
