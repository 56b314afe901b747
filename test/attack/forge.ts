import { signRelease } from "../../src/core/trust/index.ts";
import type { ReleaseStatement, Signer } from "../../src/core/trust/index.ts";
import { EXTENSION_TYPE, parseExtensionConfig } from "../../src/core/contract/index.ts";
import { assemble, attachBundle } from "../../src/kit/index.ts";
import type { Packed, SignedArtifact } from "../../src/kit/index.ts";
import { digestOf } from "../../src/core/trust/index.ts";

/** A copy with one bit of one byte changed. at: from the end where it is negative. */
export function flip(bytes: Uint8Array, at = -1): Uint8Array {
  const copy = bytes.slice();
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
}

export function flipBase64(text: string, at = -1): string {
  return Buffer.from(flip(Buffer.from(text, "base64"), at)).toString("base64");
}

/** A copy with the only occurrence of `from` replaced. */
export function replaceText(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  if (text.split(from).length !== 2) throw new Error(`wanted ${from} once`);
  return new Uint8Array(Buffer.from(text.replace(from, to), "latin1"));
}

/** The parts of an artifact's manifest, as OCI tools read them. */
export function partsOf(artifact: Packed): { config: Uint8Array; component: Uint8Array } {
  const { config, layers } = JSON.parse(Buffer.from(artifact.manifest).toString()) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  const blob = (digest = "") => artifact.blobs.get(digest) ?? new Uint8Array();
  return { config: blob(config.digest), component: blob(layers[0]?.digest) };
}

/** The bundle that a publisher attached. */
export function bundleOf(artifact: SignedArtifact): Uint8Array {
  const { layers } = JSON.parse(Buffer.from(artifact.referrer).toString()) as {
    layers: { digest: string }[];
  };
  return artifact.blobs.get(layers[0]?.digest ?? "") ?? new Uint8Array();
}

/** The shape of a bundle that the attacks change. */
export interface BundleJson {
  verificationMaterial: {
    tlogEntries: { inclusionProof: { hashes: string[]; checkpoint: { envelope: string } } }[];
  };
  dsseEnvelope: { signatures: { sig: string }[] };
}

export function editBundle(bundle: Uint8Array, edit: (json: BundleJson) => void): Uint8Array {
  const json = JSON.parse(Buffer.from(bundle).toString()) as BundleJson;
  edit(json);
  return new TextEncoder().encode(JSON.stringify(json));
}

export function flipSignature(bundle: Uint8Array): Uint8Array {
  return editBundle(bundle, ({ dsseEnvelope }) => {
    const [signature] = dsseEnvelope.signatures;
    if (signature !== undefined) signature.sig = flipBase64(signature.sig);
  });
}

/** Other files under the bundle of the real ones. */
export function swapFiles(
  artifact: SignedArtifact,
  files: { config?: Uint8Array; component?: Uint8Array },
): SignedArtifact {
  const { config, component } = { ...partsOf(artifact), ...files };
  return attachBundle(
    assemble(config, parseExtensionConfig(config), component),
    bundleOf(artifact),
  );
}

/** Another manifest over the same files, under the bundle of the real one. */
export function swapManifest(artifact: SignedArtifact, manifest: Uint8Array): SignedArtifact {
  const { blobs, config } = artifact;
  const digest = digestOf("manifest", manifest);
  return attachBundle({ blobs, config, manifest, digest }, bundleOf(artifact));
}

/** Signs a statement that says something else than the artifact's own config. */
export function signAs(
  packed: Packed,
  signer: Signer,
  change: Partial<ReleaseStatement>,
): SignedArtifact {
  const { publisher, name, version } = packed.config;
  const statement: ReleaseStatement = {
    publisher,
    name,
    version,
    channel: "stable",
    mediaType: EXTENSION_TYPE,
    issuedAt: new Date(),
    manifestDigest: packed.digest,
    ...change,
  };
  return attachBundle(packed, signRelease(statement, signer));
}
