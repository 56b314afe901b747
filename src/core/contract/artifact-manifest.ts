import { canonicalJson, digestOf, ObjectReader, parseStrictJson } from "#trust";
import type { Digest, FileDigest, JsonValue, ManifestDigest } from "#trust";
import { limits } from "./limits.ts";
import {
  COMPONENT_TYPE,
  EXTENSION_CONFIG_TYPE,
  EXTENSION_TYPE,
  FILE_TYPE,
  MANIFEST_MEDIA_TYPE,
  TITLE_ANNOTATION,
} from "./media-types.ts";

export interface BlobReference {
  readonly mediaType: string;
  readonly digest: FileDigest;
  readonly size: number;
}

export interface FileLayer extends BlobReference {
  readonly path: string;
}

/** The manifest of an extension: its digest is the content hash. */
export interface ArtifactManifest {
  readonly config: BlobReference;
  readonly layers: readonly FileLayer[];
}

const PATH = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;

/** Equal files give equal bytes: layers sorted by path, RFC 8785, nothing of the machine. */
export function buildArtifactManifest(
  config: Uint8Array,
  files: ReadonlyMap<string, Uint8Array>,
): { bytes: Uint8Array; digest: ManifestDigest } {
  const layers = [...files]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, bytes]) => ({
      ...blobOf(path.endsWith(".wasm") ? COMPONENT_TYPE : FILE_TYPE, bytes),
      annotations: { [TITLE_ANNOTATION]: path },
    }));
  const bytes = canonicalJson({
    schemaVersion: 2,
    mediaType: MANIFEST_MEDIA_TYPE,
    artifactType: EXTENSION_TYPE,
    config: blobOf(EXTENSION_CONFIG_TYPE, config),
    layers,
  });
  return { bytes, digest: digestOf("manifest", bytes) };
}

function blobOf(
  mediaType: string,
  bytes: Uint8Array,
): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: digestOf("file", bytes), size: bytes.length };
}

/** bytes: attacker-controlled. Closed: a field, a layer or a title that we do not write is refused with TrustError. */
export function parseArtifactManifest(bytes: Uint8Array): ArtifactManifest {
  const reader = ObjectReader.of(
    parseStrictJson(bytes, { maxBytes: limits.manifestBytes.value }),
    "manifest",
  );
  reader.literal("schemaVersion", 2);
  reader.literal("mediaType", MANIFEST_MEDIA_TYPE);
  reader.literal("artifactType", EXTENSION_TYPE);
  const config = readBlob(reader.object("config"), limits.configBytes.value);
  const layers = reader.list("layers", { max: limits.artifactFiles.value }, readLayer);
  reader.end();
  if (config.mediaType !== EXTENSION_CONFIG_TYPE)
    reader.refuse("config", `the media type ${EXTENSION_CONFIG_TYPE}`);
  if (!sortedWithoutDoubles(layers)) reader.refuse("layers", "paths sorted, each once");
  if (layers.reduce((sum, layer) => sum + layer.size, 0) > limits.artifactBytes.value)
    reader.refuse("layers", `at most ${limits.artifactBytes.value} bytes in all`);
  return { config, layers };
}

function readLayer(value: JsonValue, path: string): FileLayer {
  const reader = ObjectReader.of(value, path);
  const annotations = reader.object("annotations");
  const title = annotations.string(TITLE_ANNOTATION, { max: 255, pattern: PATH });
  annotations.end();
  return { ...readBlob(reader, limits.artifactFileBytes.value), path: title };
}

function readBlob(reader: ObjectReader, maxBytes: number): BlobReference {
  const blob = {
    mediaType: reader.string("mediaType", { max: 127 }),
    digest: reader.digest("digest", "file"),
    size: reader.integer("size", { min: 0, max: maxBytes }),
  };
  reader.end();
  return blob;
}

function sortedWithoutDoubles(layers: readonly FileLayer[]): boolean {
  return layers.every((layer, i) => i === 0 || (layers[i - 1]?.path ?? "") < layer.path);
}

export function isBlob(
  bytes: Uint8Array,
  wanted: { readonly digest: Digest<"file">; readonly size: number },
): boolean {
  return bytes.length === wanted.size && digestOf("file", bytes) === wanted.digest;
}
