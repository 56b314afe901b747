import { digestOf, ObjectReader, parseStrictJson } from "#trust";
import type { FileDigest, JsonObject, JsonValue, ManifestDigest } from "#trust";
import { EMPTY_MEDIA_TYPE, INDEX_MEDIA_TYPE, limits, MANIFEST_MEDIA_TYPE } from "#contract";
import type { Clock } from "#platform";
import type { Store, Tx } from "#store";
import { RegistryError } from "./registry-error.ts";

export interface StoredManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly artifactType: string | null;
  readonly subject: string | null;
  readonly annotations: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
}

interface ReadManifest extends StoredManifest {
  readonly blobs: readonly string[];
  readonly manifests: readonly string[];
}

/** bytes: attacker-controlled. Throws RegistryError "manifest.invalid" where two readers could see two documents. */
export function readManifest(bytes: Uint8Array, contentType: string): ReadManifest {
  if (bytes.length > limits.manifestBytes.value)
    throw new RegistryError(
      "request.too_large",
      `cannot take a manifest over ${limits.manifestBytes.value} bytes`,
    );
  try {
    return readChecked(bytes, contentType);
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause;
    throw new RegistryError(
      "manifest.invalid",
      `cannot take the manifest: ${(cause as Error).message}`,
      { cause },
    );
  }
}

function readChecked(bytes: Uint8Array, contentType: string): ReadManifest {
  const value = parseStrictJson(bytes, { maxBytes: limits.manifestBytes.value });
  const reader = ObjectReader.of(value, "manifest");
  const mediaType = reader.string("mediaType", { max: 127 });
  if (mediaType !== contentType)
    throw invalid(`its media type ${mediaType} is not the content type ${contentType}`);
  if (mediaType !== MANIFEST_MEDIA_TYPE && mediaType !== INDEX_MEDIA_TYPE)
    throw invalid(`unknown media type ${mediaType}`);
  if (reader.has("layers") && reader.has("manifests")) throw invalid("it has layers and manifests");
  reader.literal("schemaVersion", 2);
  const isIndex = mediaType === INDEX_MEDIA_TYPE;
  const config = isIndex ? null : descriptor(reader.value("config"));
  const layers = isIndex ? [] : listOf(reader.value("layers")).map(descriptor);
  const artifactType =
    reader.optionalString("artifactType", { max: 127 }) ??
    (config === null || config.mediaType === EMPTY_MEDIA_TYPE ? null : config.mediaType);
  return {
    digest: digestOf("manifest", bytes),
    mediaType,
    artifactType,
    subject: reader.has("subject") ? descriptor(reader.value("subject")).digest : null,
    annotations: reader.has("annotations") ? annotationsOf(reader.value("annotations")) : {},
    bytes,
    blobs: [...(config === null ? [] : [config.digest]), ...layers.map((layer) => layer.digest)],
    manifests: isIndex
      ? listOf(reader.value("manifests")).map((item) => descriptor(item).digest)
      : [],
  };
}

function descriptor(value: JsonValue): { mediaType: string; digest: string } {
  const reader = ObjectReader.of(value, "descriptor");
  return {
    mediaType: reader.string("mediaType", { max: 127 }),
    digest: reader.digest("digest", "file"),
  };
}

function listOf(value: JsonValue): readonly JsonValue[] {
  if (!Array.isArray(value) || value.length > limits.artifactFiles.value)
    throw invalid(`a list of at most ${limits.artifactFiles.value} was wanted`);
  return value as readonly JsonValue[]; // isArray of a JSON value
}

function annotationsOf(value: JsonValue): Record<string, string> {
  const object = ObjectReader.of(value, "annotations");
  return Object.fromEntries(
    Object.keys(value as JsonObject).map((name) => [name, object.string(name, { max: 4_096 })]),
  );
}

function invalid(why: string): RegistryError {
  return new RegistryError("manifest.invalid", `cannot take the manifest: ${why}`);
}

/** Stores exact bytes; every blob it names must have been pushed to the same repository. A tag that names an admitted version never moves. */
export async function putManifest(
  store: Store,
  clock: Clock,
  repository: string,
  manifest: ReadManifest,
  tag: string | null,
): Promise<void> {
  await store.asSystem(async (tx) => {
    await requireParts(tx, repository, manifest);
    const { digest, mediaType, artifactType, subject, annotations, bytes } = manifest;
    await tx
      .insertInto("manifest")
      .values({
        repository,
        digest,
        media_type: mediaType,
        artifact_type: artifactType,
        subject,
        annotations: JSON.stringify(annotations),
        bytes: Buffer.from(bytes),
        created_at: clock.now(),
      })
      .onConflict((on) => on.columns(["repository", "digest"]).doNothing())
      .execute();
    if (tag !== null) await setTag(tx, clock, repository, tag, digest);
  });
}

async function requireParts(tx: Tx, repository: string, manifest: ReadManifest): Promise<void> {
  const blobs = [...new Set(manifest.blobs)];
  const known =
    blobs.length === 0
      ? []
      : await tx
          .selectFrom("repository_blob")
          .select("digest")
          .where("repository", "=", repository)
          .where("digest", "in", blobs)
          .execute();
  const missing = blobs.find((digest) => !known.some((row) => row.digest === digest));
  if (missing !== undefined)
    throw new RegistryError(
      "manifest.invalid",
      `cannot take the manifest: blob ${missing} was not pushed to ${repository}`,
    );
}

async function setTag(
  tx: Tx,
  clock: Clock,
  repository: string,
  tag: string,
  digest: string,
): Promise<void> {
  const standing = await tx
    .selectFrom("artifact")
    .select("content_hash")
    .where("extension_id", "=", repository.replace("/", "."))
    .where("version", "=", tag)
    .where("state", "in", ["admitted", "revoked"])
    .executeTakeFirst();
  if (standing !== undefined && standing.content_hash !== digest)
    throw new RegistryError(
      "version.exists",
      `cannot move tag ${tag}: version ${tag} stands with ${standing.content_hash}`,
    );
  await tx
    .insertInto("manifest_tag")
    .values({ repository, tag, digest, updated_at: clock.now() })
    .onConflict((on) =>
      on.columns(["repository", "tag"]).doUpdateSet({ digest, updated_at: clock.now() }),
    )
    .execute();
}

export async function findManifest(
  store: Store,
  repository: string,
  reference: string,
): Promise<StoredManifest | null> {
  return store.asSystem(async (tx) => {
    const digest = reference.startsWith("sha256:")
      ? reference
      : await tagDigest(tx, repository, reference);
    if (digest === null) return null;
    const row = await tx
      .selectFrom("manifest")
      .selectAll()
      .where("repository", "=", repository)
      .where("digest", "=", digest)
      .executeTakeFirst();
    return row === undefined ? null : stored(row);
  });
}

export async function tagDigest(tx: Tx, repository: string, tag: string): Promise<string | null> {
  const row = await tx
    .selectFrom("manifest_tag")
    .select("digest")
    .where("repository", "=", repository)
    .where("tag", "=", tag)
    .executeTakeFirst();
  return row?.digest ?? null;
}

export async function listTags(store: Store, repository: string): Promise<string[]> {
  const rows = await store.asSystem((tx) =>
    tx
      .selectFrom("manifest_tag")
      .select("tag")
      .where("repository", "=", repository)
      .orderBy("tag")
      .execute(),
  );
  return rows.map((row) => row.tag);
}

/** Manifests whose subject is `digest`, oldest first, at most limits.referrers. */
export async function listReferrers(
  store: Store,
  repository: string,
  digest: string,
): Promise<StoredManifest[]> {
  const rows = await store.asSystem((tx) =>
    tx
      .selectFrom("manifest")
      .selectAll()
      .where("repository", "=", repository)
      .where("subject", "=", digest)
      .orderBy("created_at")
      .orderBy("digest")
      .limit(limits.referrers.value)
      .execute(),
  );
  return rows.map(stored);
}

/** Removes a manifest, its tags and whatever refers to it. */
export async function removeManifest(
  store: Store,
  repository: string,
  digest: ManifestDigest,
): Promise<void> {
  await store.asSystem(async (tx) => {
    await tx
      .deleteFrom("manifest")
      .where("repository", "=", repository)
      .where("subject", "=", digest)
      .execute();
    await tx
      .deleteFrom("manifest")
      .where("repository", "=", repository)
      .where("digest", "=", digest)
      .execute();
  });
}

export async function addBlob(
  store: Store,
  clock: Clock,
  repository: string,
  digest: string,
  size: number,
): Promise<void> {
  await store.asSystem((tx) =>
    tx
      .insertInto("repository_blob")
      .values({ repository, digest, size, created_at: clock.now() })
      .onConflict((on) => on.columns(["repository", "digest"]).doNothing())
      .execute(),
  );
}

export async function hasBlob(store: Store, repository: string, digest: string): Promise<boolean> {
  const row = await store.asSystem((tx) =>
    tx
      .selectFrom("repository_blob")
      .select("digest")
      .where("repository", "=", repository)
      .where("digest", "=", digest)
      .executeTakeFirst(),
  );
  return row !== undefined;
}

/** Whether an admitted manifest of the repository, or one that refers to it, names the blob. */
export async function isAdmittedBlob(
  store: Store,
  repository: string,
  digest: FileDigest,
): Promise<boolean> {
  const row = await store.asSystem((tx) =>
    tx
      .selectFrom("manifest")
      .innerJoin("artifact", (on) =>
        on.on((eb) =>
          eb("artifact.content_hash", "=", eb.fn.coalesce("manifest.subject", "manifest.digest")),
        ),
      )
      .select("manifest.digest")
      .where("manifest.repository", "=", repository)
      .where("artifact.state", "=", "admitted")
      .where((eb) => {
        const text = eb.fn<string>("convert_from", ["manifest.bytes", eb.val("UTF8")]);
        return eb(eb.fn<number>("strpos", [text, eb.val(digest)]), ">", 0);
      })
      .executeTakeFirst(),
  );
  return row !== undefined;
}

function stored(row: {
  digest: string;
  media_type: string;
  artifact_type: string | null;
  subject: string | null;
  annotations: Record<string, string>;
  bytes: Buffer;
}): StoredManifest {
  return {
    digest: row.digest,
    mediaType: row.media_type,
    artifactType: row.artifact_type,
    subject: row.subject,
    annotations: row.annotations,
    bytes: row.bytes,
  };
}
