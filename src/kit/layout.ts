import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestHex, digestOf, parseDigest } from "#trust";
import {
  INDEX_MEDIA_TYPE,
  MANIFEST_MEDIA_TYPE,
  parseArtifactManifest,
  parseExtensionConfig,
} from "#contract";
import { KitError } from "./kit-error.ts";
import type { Packed } from "./pack.ts";
import { attachBundle } from "./sign.ts";
import type { SignedArtifact } from "./sign.ts";

const REFERENCE = "org.opencontainers.image.ref.name";

/** Writes an artifact as an OCI image layout, which `oras` and `crane` read too. */
export async function writeLayout(
  folder: string,
  artifact: Packed | SignedArtifact,
): Promise<void> {
  const blobs = join(folder, "blobs/sha256");
  await mkdir(blobs, { recursive: true });
  const referrer = "referrer" in artifact ? [artifact.referrer] : [];
  const manifests = [artifact.manifest, ...referrer];
  for (const bytes of [...artifact.blobs.values(), ...manifests])
    await writeFile(join(blobs, digestHex(digestOf("file", bytes))), bytes);
  const descriptors = manifests.map((bytes, i) => ({
    mediaType: MANIFEST_MEDIA_TYPE,
    digest: digestOf("manifest", bytes),
    size: bytes.length,
    ...(i === 0 ? { annotations: { [REFERENCE]: artifact.config.version } } : {}),
  }));
  await writeFile(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(
    join(folder, "index.json"),
    JSON.stringify({ schemaVersion: 2, mediaType: INDEX_MEDIA_TYPE, manifests: descriptors }),
  );
}

/** Reads what `pack` or `sign` wrote. A blob whose bytes are not its name's is a KitError "layout.invalid". */
export async function readLayout(folder: string): Promise<Packed | SignedArtifact> {
  const [first, second] = await listManifests(folder);
  if (first === undefined)
    throw new KitError(
      "layout.invalid",
      `cannot read ${folder}: it holds no artifact; run "caisson pack" first`,
    );
  const manifest = await blob(folder, first);
  const { config, layers } = parseArtifactManifest(manifest);
  const blobs = new Map<string, Uint8Array>();
  for (const part of [config, ...layers]) blobs.set(part.digest, await blob(folder, part.digest));
  const configBytes = blobs.get(config.digest) ?? new Uint8Array();
  const packed: Packed = {
    config: parseExtensionConfig(configBytes),
    digest: digestOf("manifest", manifest),
    manifest,
    blobs,
  };
  return second === undefined ? packed : attachBundle(packed, await bundleOf(folder, second));
}

async function listManifests(folder: string): Promise<string[]> {
  const text = await readFile(join(folder, "index.json"), "utf8").catch((cause: unknown) => {
    throw new KitError(
      "layout.invalid",
      `cannot read ${folder}: it is no OCI image layout; run "caisson pack" first`,
      { cause },
    );
  });
  const { manifests = [] } = JSON.parse(text) as { manifests?: { digest: string }[] };
  return manifests.map(({ digest }) => digest);
}

async function blob(folder: string, text: string): Promise<Uint8Array> {
  const digest = parseDigest("file", text);
  const bytes = await readFile(join(folder, "blobs/sha256", digestHex(digest)));
  if (digestOf("file", bytes) !== digest)
    throw new KitError("layout.invalid", `cannot read ${folder}: blob ${digest} holds other bytes`);
  return new Uint8Array(bytes);
}

async function bundleOf(folder: string, digest: string): Promise<Uint8Array> {
  const referrer = JSON.parse(Buffer.from(await blob(folder, digest)).toString("utf8")) as {
    layers: { digest: string }[];
  }; // written by writeLayout
  return blob(folder, referrer.layers[0]?.digest ?? "");
}
