import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestHex, digestOf } from "../../src/core/trust/index.ts";
import { attachBundle, pushArtifact } from "../../src/kit/index.ts";
import type { SignedArtifact } from "../../src/kit/index.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { editBundle, flipBase64, flipSignature } from "./forge.ts";

/** A bundle that control completed after it admitted the artifact, and where it stands. */
export interface Evidence {
  readonly bundle: Uint8Array;
  /** Of the bundle's blob. */
  readonly digest: string;
}

/** All bundles of an artifact, oldest first: the publisher's own, then the one with the log entry. */
async function bundlesOf(caisson: Caisson, artifact: SignedArtifact): Promise<Evidence[]> {
  const { publisher, name } = artifact.config;
  const at = (path: string) => caisson.fetchRegistry(`/v2/${publisher}/${name}${path}`);
  const index = json<{ manifests: { digest: string }[] }>(
    await at(`/referrers/${artifact.digest}`),
  );
  return Promise.all(
    index.manifests.map(async (referrer) => {
      const manifest = await at(`/manifests/${referrer.digest}`);
      const digest = json<{ layers: { digest: string }[] }>(manifest).layers[0]?.digest ?? "";
      return { bundle: await at(`/blobs/${digest}`), digest };
    }),
  );
}

/** The bundle that edges verify. */
export async function completedBundle(
  caisson: Caisson,
  artifact: SignedArtifact,
): Promise<Evidence> {
  const newest = (await bundlesOf(caisson, artifact)).at(-1);
  if (newest === undefined) throw new Error("the artifact has no bundle");
  return newest;
}

function json<T>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes).toString()) as T; // written by control
}

/** Whoever holds control's database: takes away every bundle of the artifact, then pushes this one in their place. */
export async function replaceEvidence(
  caisson: Caisson,
  artifact: SignedArtifact,
  bundle: Uint8Array,
): Promise<void> {
  await caisson.sql("delete from manifest where subject = $1", [artifact.digest]);
  await pushArtifact(caisson.north, attachBundle(artifact, bundle), "digest");
}

/** Whoever holds a runner's disk: what it would fetch from control lies there already. */
export async function plantInRunner(
  caisson: Caisson,
  kind: "blob" | "manifest" | "referrers",
  digest: string,
  bytes: Uint8Array,
): Promise<void> {
  const path = join(caisson.data, "runner/artifacts", `${kind}-${digest.slice(7)}`);
  await writeFile(path, bytes);
}

/** The files of a component's build in the runner's store. */
export async function buildFiles(
  caisson: Caisson,
  component: Uint8Array,
): Promise<{ code: string; record: string }> {
  const folder = join(caisson.data, "runner/builds");
  const prefix = digestHex(digestOf("file", component));
  const names = (await readdir(folder)).filter((name) => name.startsWith(prefix));
  const find = (kind: string) =>
    join(folder, names.find((name) => name.endsWith(kind)) ?? `missing.${kind}`);
  return { code: find(".code"), record: find(".record") };
}

/** What an attacker changes in a complete bundle; each keeps it readable. `other`: the bundle of another release. */
export const evidenceAttacks = {
  signature: flipSignature,
  proof: (bundle: Uint8Array) =>
    editBundle(bundle, ({ verificationMaterial: { tlogEntries } }) => {
      const hashes = tlogEntries[0]?.inclusionProof.hashes;
      if (hashes?.[0] === undefined) throw new Error("the proof has no hash to change");
      hashes[0] = flipBase64(hashes[0], 7);
    }),
  checkpoint: (bundle: Uint8Array) =>
    editBundle(bundle, ({ verificationMaterial: { tlogEntries } }) => {
      const checkpoint = tlogEntries[0]?.inclusionProof.checkpoint;
      if (checkpoint === undefined) throw new Error("the bundle has no checkpoint");
      checkpoint.envelope = flipCheckpointSignature(checkpoint.envelope);
    }),
  entry: (bundle: Uint8Array, other: Uint8Array) =>
    editBundle(bundle, ({ verificationMaterial }) => {
      editBundle(other, (donor) => {
        verificationMaterial.tlogEntries = donor.verificationMaterial.tlogEntries;
      });
    }),
  unlogged: (bundle: Uint8Array) =>
    editBundle(bundle, ({ verificationMaterial }) => {
      verificationMaterial.tlogEntries = [];
    }),
  none: (bundle: Uint8Array) => editBundle(bundle, () => {}),
} as const;

/** The last line of a signed note is "— name base64". */
function flipCheckpointSignature(note: string): string {
  const lines = note.trimEnd().split("\n");
  const [dash, name, signature = ""] = (lines.pop() ?? "").split(" ");
  return [...lines, [dash, name, flipBase64(signature)].join(" "), ""].join("\n");
}
