import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  BUNDLE_MEDIA_TYPE,
  digestHex,
  digestOf,
  ObjectReader,
  parseDigest,
  parseStrictJson,
} from "#trust";
import type { JsonValue, ManifestDigest } from "#trust";
import { INDEX_MEDIA_TYPE, limits, parseArtifactManifest, repositoryOf } from "#contract";
import type { ArtifactManifest, ExtensionName } from "#contract";
import { writeFileDurably } from "#platform";
import type { ControlLine } from "#link";

/** Bytes of an artifact and of its evidence; all of them attacker-controlled until the load door has judged them. */
export interface ArtifactBytes {
  readonly manifest: Uint8Array;
  readonly config: Uint8Array;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly bundles: readonly Uint8Array[];
}

/**
 * Artifacts on this machine's disk, by digest, so that a runner restarted while control is down still loads.
 * What it returns is read from disk or fetched and is no more trusted for that.
 */
export class ArtifactCache {
  readonly #dir: string;
  readonly #line: Pick<ControlLine, "get">;

  constructor(dir: string, line: Pick<ControlLine, "get">) {
    this.#dir = dir;
    this.#line = line;
  }

  async read(name: ExtensionName, digest: ManifestDigest): Promise<ArtifactBytes> {
    const repository = repositoryOf(name);
    const kept: Reading = (file, path, maxBytes) => this.#bytes(file, path, maxBytes);
    const parts = await readParts(repository, digest, kept);
    return { ...parts, bundles: await this.#bundles(repository, digest) };
  }

  /** The same without evidence, and nothing of it is kept: it may never be admitted. */
  fetch(name: ExtensionName, digest: ManifestDigest): Promise<ArtifactBytes> {
    const fetched: Reading = (_file, path, maxBytes) => this.#line.get(path, maxBytes);
    return readParts(repositoryOf(name), digest, fetched);
  }

  async #bundles(repository: string, digest: ManifestDigest): Promise<Uint8Array[]> {
    const index = await this.#bytes(
      `referrers-${digestHex(digest)}`,
      `/v2/${repository}/referrers/${digest}`,
      limits.manifestBytes.value,
    );
    const reader = ObjectReader.of(
      parseStrictJson(index, { maxBytes: limits.manifestBytes.value }),
      "referrers",
    );
    reader.literal("mediaType", INDEX_MEDIA_TYPE);
    const referrers = reader
      .list("manifests", { max: limits.referrers.value }, referrerOf)
      .filter(({ artifactType }) => artifactType === BUNDLE_MEDIA_TYPE);
    const bundles: Uint8Array[] = [];
    // Newest last in the registry's list; the completed bundle is the newest.
    for (const { digest: referrer } of referrers.toReversed()) {
      const manifest = await this.#bytes(
        `manifest-${digestHex(referrer)}`,
        `/v2/${repository}/manifests/${referrer}`,
        limits.manifestBytes.value,
      );
      const layer = firstLayer(manifest);
      bundles.push(
        await this.#bytes(
          `blob-${digestHex(layer)}`,
          `/v2/${repository}/blobs/${layer}`,
          limits.bundleBytes.value,
        ),
      );
    }
    return bundles;
  }

  async #bytes(file: string, path: string, maxBytes: number): Promise<Uint8Array> {
    const at = join(this.#dir, file);
    const kept = await readFile(at).catch(() => null);
    if (kept !== null) return kept;
    const bytes = await this.#line.get(path, maxBytes);
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await writeFileDurably(at, bytes);
    return bytes;
  }
}

type Reading = (file: string, path: string, maxBytes: number) => Promise<Uint8Array>;

async function readParts(
  repository: string,
  digest: ManifestDigest,
  read: Reading,
): Promise<ArtifactBytes> {
  const blob = (of: ArtifactManifest["config"]["digest"], maxBytes: number) =>
    read(`blob-${digestHex(of)}`, `/v2/${repository}/blobs/${of}`, maxBytes);
  const manifest = await read(
    `manifest-${digestHex(digest)}`,
    `/v2/${repository}/manifests/${digest}`,
    limits.manifestBytes.value,
  );
  const parsed = parseArtifactManifest(manifest);
  const config = await blob(parsed.config.digest, limits.configBytes.value);
  const files = new Map<string, Uint8Array>();
  for (const layer of parsed.layers)
    files.set(layer.path, await blob(layer.digest, limits.artifactFileBytes.value));
  return { manifest, config, files, bundles: [] };
}

function referrerOf(value: JsonValue, path: string) {
  const reader = ObjectReader.of(value, path);
  return {
    digest: reader.digest("digest", "manifest"),
    artifactType: reader.string("artifactType", { max: 127 }),
  };
}

function firstLayer(manifest: Uint8Array) {
  const reader = ObjectReader.of(
    parseStrictJson(manifest, { maxBytes: limits.manifestBytes.value }),
    "referrer",
  );
  const [digest] = reader.list("layers", { max: 1 }, (value, path) =>
    ObjectReader.of(value, path).digest("digest", "file"),
  );
  return parseDigest("file", digest ?? "");
}

/** The manifest's own digest, measured from its bytes. */
export function measuredDigest(bytes: ArtifactBytes): ManifestDigest {
  return digestOf("manifest", bytes.manifest);
}
