import { digestOf } from "#trust";
import type { ManifestDigest } from "#trust";
import {
  frozenEngine,
  limits,
  parseArtifactManifest,
  parseExtensionConfig,
  readComponentNames,
} from "#contract";
import type { ArtifactManifest, ComponentNames, ExtensionConfig } from "#contract";
import type { BlobStore } from "./blob-store.ts";
import { RegistryError } from "./registry-error.ts";

/** An artifact as a door holds it: every part measured from its own bytes. */
export interface MeasuredArtifact {
  readonly digest: ManifestDigest;
  readonly manifest: ArtifactManifest;
  readonly config: ExtensionConfig;
  readonly names: ComponentNames;
  /** What its component brings in a frozen state. */
  readonly engine: string | null;
}

/** manifestBytes: attacker-controlled. Throws RegistryError or TrustError; whatever it returns was measured. */
export async function measureArtifact(
  blobs: BlobStore,
  manifestBytes: Uint8Array,
): Promise<MeasuredArtifact> {
  const manifest = parseArtifactManifest(manifestBytes);
  const configBytes = await readPart(blobs, manifest.config, "config");
  const config = parseExtensionConfig(configBytes);
  const component = manifest.layers.find((layer) => layer.path === config.component);
  if (component === undefined)
    throw new RegistryError(
      "manifest.invalid",
      `cannot find component ${config.component} among the files`,
    );
  for (const layer of manifest.layers)
    if (layer !== component) await readPart(blobs, layer, layer.path);
  const bytes = await readPart(blobs, component, component.path);
  return {
    digest: digestOf("manifest", manifestBytes),
    manifest,
    config,
    names: readComponentNames(bytes),
    engine: frozenEngine(bytes),
  };
}

async function readPart(
  blobs: BlobStore,
  part: { readonly digest: ManifestDigest | string; readonly size: number },
  name: string,
): Promise<Uint8Array> {
  const bytes = await blobs.read(
    part.digest as Parameters<BlobStore["read"]>[0],
    limits.artifactFileBytes.value,
  ); // parsed by parseArtifactManifest
  if (bytes === null || bytes.length !== part.size)
    throw new RegistryError(
      "digest.mismatch",
      `cannot read ${name}: its bytes are missing or are not those of ${part.digest}`,
    );
  return bytes;
}
