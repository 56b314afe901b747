import {
  BUNDLE_MEDIA_TYPE,
  canonicalJson,
  completeBundle,
  digestOf,
  logEntryOf,
  parseBundle,
  parseDigest,
  releaseSigner,
} from "#trust";
import type { LogEvidence, ManifestDigest, Release, Verified } from "#trust";
import {
  compareVersions,
  EMPTY_MEDIA_TYPE,
  extensionId,
  MANIFEST_MEDIA_TYPE,
  parseExtensionId,
  parseVersion,
  repositoryOf,
  unaskedImports,
} from "#contract";
import type { ExtensionName, Version } from "#contract";
import { deny, judgePublish, verdictOf } from "#policy";
import type { InstancesFact, PublishFacts, Verdict, VerdictInputs } from "#policy";
import { Turns } from "#platform";
import type { Tx } from "#store";
import {
  addBlob,
  findManifest,
  putManifest,
  readManifest,
  removeManifest,
  tagDigest,
} from "./manifest-store.ts";
import { measureArtifact } from "./measured-artifact.ts";
import type { MeasuredArtifact } from "./measured-artifact.ts";
import { RefusedError, RegistryError } from "./registry-error.ts";
import type { RegistryParts } from "./registry-parts.ts";
import { provenRelease } from "./proven-release.ts";
import { recordVerdict, tellVerdict } from "./verdict-store.ts";

export interface PublishRequest {
  /** Attacker-controlled, as all of it. */
  readonly extension: string;
  readonly version: string;
  readonly contentHash: string;
}

export interface Published {
  readonly contentHash: ManifestDigest;
  readonly verdictId: string;
  readonly verdict: Verdict;
}

/**
 * The publish door: pushed bytes become an admitted version, or nothing of them stays.
 * Durable when it returns: log entry under a checkpoint, completed bundle as a referrer, verdict, artifact row.
 * Throws RegistryError "artifact.unknown"; RefusedError "publish.refused" or "version.exists" with the verdict.
 */
export function publishArtifact(
  parts: RegistryParts,
  request: PublishRequest,
  by: string,
): Promise<Published> {
  return turns.take(request.extension, () => publishInTurn(parts, request, by));
}

/**
 * What the publish door would say of pushed bytes, and nothing more: no verdict is kept, nothing is logged or admitted, and what was
 * pushed under no tag for the question is taken away again. Throws RegistryError "artifact.unknown".
 */
export function checkPublish(parts: RegistryParts, request: PublishRequest): Promise<Verdict> {
  return turns.take(request.extension, async () => {
    const wanted = parseWanted(request);
    const manifest = await requirePushed(parts, wanted);
    const { verdict, tag } = await judge(parts, wanted, manifest.bytes, "untagged");
    if (tag !== wanted.digest && !(await wasJudged(parts, wanted)))
      await removeManifest(parts.store, repositoryOf(wanted.name), wanted.digest);
    return verdict;
  });
}

const turns = new Turns();

async function publishInTurn(
  parts: RegistryParts,
  request: PublishRequest,
  by: string,
): Promise<Published> {
  const wanted = parseWanted(request);
  const manifest = await requirePushed(parts, wanted);
  const judged = await judge(parts, wanted, manifest.bytes, "tagged");
  const { extension, version } = request;
  await tellVerdict(parts, judged.verdict, { by, tenant: null, extension, version });
  if (judged.verdict.outcome !== "allow" || judged.release === null)
    return refuse(parts, wanted, judged.verdict);
  if (judged.standing) return admittedBefore(parts, wanted.digest, judged.verdict);
  const completed = await logRelease(parts, judged.release);
  await attachBundle(
    parts,
    repositoryOf(wanted.name),
    wanted.digest,
    manifest.bytes.length,
    completed,
  );
  const verdictId = await admit(
    parts,
    wanted,
    judged.artifact,
    judged.release,
    completed,
    judged.verdict,
  );
  return { contentHash: wanted.digest, verdictId, verdict: judged.verdict };
}

async function requirePushed(
  parts: RegistryParts,
  { name, digest }: Wanted,
): Promise<{ readonly bytes: Uint8Array }> {
  const manifest = await findManifest(parts.store, repositoryOf(name), digest);
  if (manifest !== null) return manifest;
  throw new RegistryError(
    "artifact.unknown",
    `cannot publish ${digest}: it was not pushed to ${repositoryOf(name)}`,
  );
}

interface Wanted {
  readonly name: ExtensionName;
  readonly version: Version;
  readonly digest: ManifestDigest;
}

function parseWanted(request: PublishRequest): Wanted {
  const name = parseExtensionId(request.extension);
  const version = parseVersion(request.version);
  if (name === null || version === null)
    throw new RegistryError(
      "manifest.invalid",
      "cannot publish: the extension id or version is malformed",
    );
  return { name, version, digest: parseDigest("manifest", request.contentHash) };
}

interface Judged {
  readonly verdict: Verdict;
  readonly artifact: MeasuredArtifact | null;
  readonly release: Verified<Release> | null;
  readonly standing: boolean;
  /** What the version's tag points to. */
  readonly tag: string | null;
}

/** pushed: a push that only asks has no tag yet; one that publishes must hold it. */
async function judge(
  parts: RegistryParts,
  wanted: Wanted,
  manifestBytes: Uint8Array,
  pushed: "tagged" | "untagged",
): Promise<Judged> {
  const now = parts.clock.now();
  const inputs = verdictInputs(parts);
  let artifact: MeasuredArtifact;
  try {
    artifact = await measureArtifact(parts.blobs, manifestBytes);
  } catch (error) {
    // Whatever cannot be measured is refused: an exception is a denial.
    const code =
      error instanceof Error && "code" in error ? String(error.code) : "artifact.unreadable";
    const verdict = verdictOf("publish", wanted.digest, now, inputs, [
      deny("artifact", code, (error as Error).message),
    ]);
    return { verdict, artifact: null, release: null, standing: false, tag: null };
  }
  const release = await provenRelease(parts, wanted, "publish", now);
  const history = await parts.store.asSystem((tx) => versionHistory(tx, wanted));
  const fenceHit = () =>
    parts.fences.current.hit({
      extension: extensionId(wanted.name),
      contentHash: wanted.digest,
      signer: releaseSigner(release),
    });
  const facts: PublishFacts = {
    subject: wanted.digest,
    fence: fenceHit(),
    tagMoved: history.tag !== wanted.digest && !(pushed === "untagged" && history.tag === null),
    config: artifact.config,
    wanted: { ...wanted.name, version: wanted.version },
    unaskedImports: unaskedImports(
      artifact.names.imports,
      artifact.config.capabilities,
      parts.toolchainImports,
    ),
    release,
    standing: history.standing,
    newest: history.newest,
    isNewer: history.newest === null || compareVersions(wanted.version, history.newest) > 0,
    instances: "later",
  };
  let verdict = judgePublish(facts, inputs, now);
  // Nothing unproven runs, not to be tried either; and what was admitted was tried then.
  if (verdict.outcome === "allow" && history.standing === null) {
    const instances = await tryInstances(parts, wanted, artifact.engine);
    // Trying takes its time: what was stopped meanwhile is not admitted.
    verdict = judgePublish({ ...facts, fence: fenceHit(), instances }, verdictInputs(parts), now);
  }
  return {
    verdict,
    artifact,
    release: release.ok ? release.release : null,
    standing: history.standing === wanted.digest,
    tag: history.tag,
  };
}

async function tryInstances(
  { trials }: RegistryParts,
  { name, digest }: Wanted,
  engine: string | null,
): Promise<InstancesFact> {
  return { engine, trial: engine === null ? null : await trials.run(name, digest) };
}

export function verdictInputs(parts: RegistryParts): VerdictInputs {
  return {
    policy: "default.v1",
    trustRoot: digestOf("document", parts.trust.document),
    checkpoint: null,
    fenceEpoch: parts.fences.current.epoch,
    feeds: {},
  };
}

async function versionHistory(
  tx: Tx,
  wanted: Wanted,
): Promise<{ tag: string | null; standing: string | null; newest: Version | null }> {
  const rows = await tx
    .selectFrom("artifact")
    .select(["content_hash", "version"])
    .where("extension_id", "=", extensionId(wanted.name))
    .where("state", "in", ["admitted", "revoked"])
    .execute();
  const versions = rows.flatMap((row) => parseVersion(row.version) ?? []).toSorted(compareVersions);
  return {
    tag: await tagDigest(tx, repositoryOf(wanted.name), wanted.version),
    standing: rows.find((row) => row.version === wanted.version)?.content_hash ?? null,
    newest: versions.at(-1) ?? null,
  };
}

/** Whether a row stands for the digest: its manifest then stays, whatever is said now. */
async function wasJudged({ store }: RegistryParts, { digest }: Wanted): Promise<boolean> {
  const row = await store.asSystem((tx) =>
    tx
      .selectFrom("artifact")
      .select("content_hash")
      .where("content_hash", "=", digest)
      .executeTakeFirst(),
  );
  return row !== undefined;
}

async function refuse(parts: RegistryParts, wanted: Wanted, verdict: Verdict): Promise<never> {
  await parts.store.asSystem((tx) => recordVerdict(tx, verdict, parts.keys.verdict, null));
  if (!(await wasJudged(parts, wanted)))
    await removeManifest(parts.store, repositoryOf(wanted.name), wanted.digest);
  const exists = verdict.reasons.some(
    (reason) => reason.code === "version.exists" && reason.outcome === "deny",
  );
  throw new RefusedError(
    exists ? "version.exists" : "publish.refused",
    `cannot publish ${extensionId(wanted.name)}@${wanted.version}: the publish door refused it`,
    verdict,
  );
}

async function admittedBefore(
  parts: RegistryParts,
  contentHash: ManifestDigest,
  verdict: Verdict,
): Promise<Published> {
  return {
    contentHash,
    verdictId: await parts.store.asSystem((tx) =>
      recordVerdict(tx, verdict, parts.keys.verdict, null),
    ),
    verdict,
  };
}

/** Appends the entry, waits for its checkpoint, returns the completed bundle: the one that edges verify. */
async function logRelease(parts: RegistryParts, release: Verified<Release>): Promise<Uint8Array> {
  const { bundleBytes, signer } = release.value;
  const body = logEntryOf(parseBundle(bundleBytes), signer.key);
  const { index, size, root, proof, checkpoint } = await parts.log.append(body);
  const evidence: LogEvidence = {
    logKey: parts.logKey,
    index,
    size,
    root,
    proof,
    checkpoint,
    body,
  };
  return completeBundle(bundleBytes, evidence);
}

async function attachBundle(
  parts: RegistryParts,
  repository: string,
  subject: ManifestDigest,
  subjectSize: number,
  bundle: Uint8Array,
): Promise<void> {
  const empty = new TextEncoder().encode("{}");
  const [emptyDigest, bundleDigest] = [await parts.blobs.put(empty), await parts.blobs.put(bundle)];
  await addBlob(parts.store, parts.clock, repository, emptyDigest, empty.length);
  await addBlob(parts.store, parts.clock, repository, bundleDigest, bundle.length);
  const bytes = canonicalJson({
    schemaVersion: 2,
    mediaType: MANIFEST_MEDIA_TYPE,
    artifactType: BUNDLE_MEDIA_TYPE,
    config: { mediaType: EMPTY_MEDIA_TYPE, digest: emptyDigest, size: empty.length },
    layers: [{ mediaType: BUNDLE_MEDIA_TYPE, digest: bundleDigest, size: bundle.length }],
    subject: { mediaType: MANIFEST_MEDIA_TYPE, digest: subject, size: subjectSize },
    annotations: {
      "dev.sigstore.bundle.content": "dsse-envelope",
      "dev.sigstore.bundle.predicateType": "urn:caisson:release:v1",
    },
  });
  await putManifest(
    parts.store,
    parts.clock,
    repository,
    readManifest(bytes, MANIFEST_MEDIA_TYPE),
    null,
  );
}

async function admit(
  parts: RegistryParts,
  wanted: Wanted,
  artifact: MeasuredArtifact | null,
  release: Verified<Release>,
  completed: Uint8Array,
  verdict: Verdict,
): Promise<string> {
  return parts.store.asSystem(async (tx) => {
    const id = await recordVerdict(tx, verdict, parts.keys.verdict, null);
    await tx
      .insertInto("artifact")
      .values({
        content_hash: wanted.digest,
        extension_id: extensionId(wanted.name),
        version: wanted.version,
        state: "admitted",
        config: JSON.stringify(artifact?.config ?? null),
        signature: digestOf("file", completed),
        publisher_identity: release.value.signer.spkiDigest,
        sbom_reference: null,
        verdict_id: id,
        created_at: parts.clock.now(),
        admitted_at: parts.clock.now(),
      })
      .execute();
    return id;
  });
}
