import { canonicalJson, digestOf, signRelease, BUNDLE_MEDIA_TYPE } from "#trust";
import type { ManifestDigest, Signer } from "#trust";
import { EMPTY_MEDIA_TYPE, EXTENSION_TYPE, MANIFEST_MEDIA_TYPE } from "#contract";
import type { Packed } from "./pack.ts";

export interface SignedArtifact extends Packed {
  readonly bundle: Uint8Array;
  /** The referrer that carries the bundle, and its blobs. */
  readonly referrer: Uint8Array;
  readonly referrerDigest: ManifestDigest;
}

/** Signs the release statement of a packed artifact (interfaces §2, release statement). */
export function signPacked(packed: Packed, signer: Signer, now: Date): SignedArtifact {
  const { publisher, name, version } = packed.config;
  const bundle = signRelease(
    {
      publisher,
      name,
      version,
      channel: "stable",
      mediaType: EXTENSION_TYPE,
      issuedAt: now,
      manifestDigest: packed.digest,
    },
    signer,
  );
  return attachBundle(packed, bundle);
}

/** Attaches a bundle as a referrer of the artifact, as OCI tools store one. */
export function attachBundle(packed: Packed, bundle: Uint8Array): SignedArtifact {
  const empty = new TextEncoder().encode("{}");
  const referrer = canonicalJson({
    schemaVersion: 2,
    mediaType: MANIFEST_MEDIA_TYPE,
    artifactType: BUNDLE_MEDIA_TYPE,
    config: { mediaType: EMPTY_MEDIA_TYPE, digest: digestOf("file", empty), size: empty.length },
    layers: [
      { mediaType: BUNDLE_MEDIA_TYPE, digest: digestOf("file", bundle), size: bundle.length },
    ],
    subject: {
      mediaType: MANIFEST_MEDIA_TYPE,
      digest: packed.digest,
      size: packed.manifest.length,
    },
  });
  const blobs = new Map([
    ...packed.blobs,
    [digestOf("file", empty), empty],
    [digestOf("file", bundle), bundle],
  ]);
  return { ...packed, blobs, bundle, referrer, referrerDigest: digestOf("manifest", referrer) };
}
