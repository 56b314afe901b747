import { BUNDLE_MEDIA_TYPE, parseDigest, verifyRelease } from "#trust";
import type { ManifestDigest, ReleaseResult } from "#trust";
import { EXTENSION_TYPE, limits, MANIFEST_MEDIA_TYPE, repositoryOf } from "#contract";
import type { ExtensionName, Version } from "#contract";
import { listReferrers, readManifest } from "./manifest-store.ts";
import type { RegistryParts } from "./registry-parts.ts";

export interface NamedRelease {
  readonly name: ExtensionName;
  readonly version: Version;
  readonly digest: ManifestDigest;
}

/**
 * Any one referrer that proves the release is enough; with none, the refusal of the newest tells why.
 * The publish door alone does without a log entry: it appends the entry itself.
 */
export async function provenRelease(
  parts: RegistryParts,
  { name, version, digest }: NamedRelease,
  door: "publish" | "install",
  now: Date,
): Promise<ReleaseResult> {
  const verify = (bundleBytes: Uint8Array | null) =>
    verifyRelease({
      manifestDigest: digest,
      bundleBytes,
      trustRoot: parts.trust.root,
      door,
      now,
      expected: { ...name, version, mediaType: EXTENSION_TYPE },
      requireLog: door !== "publish",
    });
  const referrers = await listReferrers(parts.store, repositoryOf(name), digest);
  let newest: ReleaseResult | null = null;
  for (const { artifactType, bytes } of referrers.toReversed()) {
    if (artifactType !== BUNDLE_MEDIA_TYPE) continue;
    const result = verify(await bundleOf(parts, bytes));
    if (result.ok) return result;
    newest ??= result;
  }
  return newest ?? verify(null);
}

async function bundleOf(parts: RegistryParts, referrer: Uint8Array): Promise<Uint8Array | null> {
  const [digest] = readManifest(referrer, MANIFEST_MEDIA_TYPE).blobs.slice(1);
  if (digest === undefined) return null;
  return parts.blobs.read(parseDigest("file", digest), limits.bundleBytes.value);
}
