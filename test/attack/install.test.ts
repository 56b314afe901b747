import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import { digestOf } from "../../src/core/trust/index.ts";
import type { SignedArtifact } from "../../src/kit/index.ts";
import { pack } from "../e2e/caisson.ts";
import type { Caisson, ExtensionParts } from "../e2e/caisson.ts";
import { startCaisson, trust } from "../e2e/start-caisson.ts";
import { newSigner } from "../fakes/releases.ts";
import { completedBundle, evidenceAttacks, replaceEvidence } from "./evidence.ts";
import { flip, partsOf, replaceText } from "./forge.ts";

let caisson: Caisson;
beforeAll(async () => (caisson = await startCaisson()));
afterAll(() => caisson[Symbol.asyncDispose]());

async function published(parts: ExtensionParts): Promise<SignedArtifact> {
  const artifact = caisson.sign(await pack(parts));
  expect(await caisson.publish(artifact)).toBe("admitted");
  return artifact;
}

/** A refusal leaves nothing behind: the tenant has no install of it. */
async function expectNotInstalled(extension: string): Promise<void> {
  const { items } = await call(caisson.north, operations.installList, {
    params: { tenant: caisson.north.id },
  });
  expect(items.filter((item) => item.extension === extension)).toEqual([]);
}

/** Publishes, changes what control holds of the evidence, and asks the install door. */
async function installWith(
  name: string,
  attack: (bundle: Uint8Array, other: Uint8Array) => Uint8Array,
): Promise<string> {
  // Two releases: a proof in a log of one entry has no hash to change.
  const other = await completedBundle(caisson, await published({ name: `${name}-other` }));
  const artifact = await published({ name });
  const { bundle } = await completedBundle(caisson, artifact);
  await replaceEvidence(caisson, artifact, attack(bundle, other.bundle));
  return caisson.install(caisson.north, `acme.${name}`);
}

/** The install door's own word, not a runner's later one. */
function refusedWith(code: string) {
  return expect.stringMatching(
    new RegExp(`^refused: install.refused .*${code.replace(".", "\\.")}`),
  );
}

const { signature, proof, checkpoint, entry, unlogged, none } = evidenceAttacks;

test("install refuses a byte changed in the stored signature [INSTALL-SIGNATURE]", async () => {
  expect(await installWith("signature-refused", signature)).toEqual(
    refusedWith("signature.invalid"),
  );
  await expectNotInstalled("acme.signature-refused");
});

test("install accepts the stored signature [INSTALL-SIGNATURE twin]", async () => {
  expect(await installWith("signature-accepted", none)).toBe("ready");
});

test("install refuses a byte changed in the log proof [INSTALL-PROOF]", async () => {
  expect(await installWith("proof-refused", proof)).toEqual(refusedWith("log.inclusion"));
  await expectNotInstalled("acme.proof-refused");
});

test("install accepts the log proof unchanged [INSTALL-PROOF twin]", async () => {
  expect(await installWith("proof-accepted", none)).toBe("ready");
});

test("install refuses a byte changed in the checkpoint [INSTALL-CHECKPOINT]", async () => {
  expect(await installWith("checkpoint-refused", checkpoint)).toEqual(
    refusedWith("log.checkpoint"),
  );
  await expectNotInstalled("acme.checkpoint-refused");
});

test("install accepts the checkpoint unchanged [INSTALL-CHECKPOINT twin]", async () => {
  expect(await installWith("checkpoint-accepted", none)).toBe("ready");
});

test("install refuses the log entry of another signature [INSTALL-ENTRY]", async () => {
  expect(await installWith("entry-refused", entry)).toEqual(refusedWith("log.entry-mismatch"));
  await expectNotInstalled("acme.entry-refused");
});

test("install accepts the log entry of this signature [INSTALL-ENTRY twin]", async () => {
  expect(await installWith("entry-accepted", (bundle) => entry(bundle, bundle))).toBe("ready");
});

test("install refuses a release that is in no log [INSTALL-UNLOGGED]", async () => {
  expect(await installWith("unlogged-refused", unlogged)).toEqual(refusedWith("log.missing"));
  await expectNotInstalled("acme.unlogged-refused");
});

test("install accepts a release with its log entry [INSTALL-UNLOGGED twin]", async () => {
  expect(await installWith("unlogged-accepted", none)).toBe("ready");
});

/** Changes the stored bytes on control's disk, then asks the install door. */
async function installChanged(
  name: string,
  change: (bytes: Uint8Array, at?: number) => Uint8Array,
  part: "component" | "config",
): Promise<string> {
  const artifact = await published({ name });
  const digest = digestOf("file", partsOf(artifact)[part]);
  const path = join(caisson.data, "oci/blobs/sha256", digest.slice(7));
  await writeFile(path, change(new Uint8Array(await readFile(path))));
  return caisson.install(caisson.north, `acme.${name}`);
}

test("install refuses a byte changed in a stored file [INSTALL-BYTES]", async () => {
  const lower = (bytes: Uint8Array) => replaceText(bytes, "1048576", "1048575");
  for (const [part, change] of [
    ["component", flip],
    ["config", lower],
  ] as const) {
    const name = `bytes-refused-${part}`;
    expect(await installChanged(name, change, part)).toEqual(refusedWith("digest.mismatch"));
    await expectNotInstalled(`acme.${name}`);
  }
});

test("install accepts the stored files unchanged [INSTALL-BYTES twin]", async () => {
  for (const part of ["component", "config"] as const)
    expect(await installChanged(`bytes-accepted-${part}`, (bytes) => bytes, part)).toBe("ready");
});

/** Whoever holds control's database changes the stored manifest, then asks the install door. */
async function installUnderManifest(name: string, from: string, to: string): Promise<string> {
  const { manifest, digest } = await published({ name });
  const changed = Buffer.from(replaceText(manifest, from, to));
  await caisson.sql("update manifest set bytes = $2 where digest = $1", [digest, changed]);
  return caisson.install(caisson.north, `acme.${name}`);
}

test("install refuses a byte changed in the stored manifest [INSTALL-MANIFEST]", async () => {
  const said = await installUnderManifest(
    "manifest-refused",
    '"application/wasm"',
    '"application/wasn"',
  );
  expect(said).toEqual(refusedWith("digest.mismatch"));
  await expectNotInstalled("acme.manifest-refused");
});

test("install accepts the stored manifest unchanged [INSTALL-MANIFEST twin]", async () => {
  const same = '"application/wasm"';
  expect(await installUnderManifest("manifest-accepted", same, same)).toBe("ready");
});

test("install refuses a grant wider than the request [INSTALL-GRANT]", async () => {
  await published({ name: "grant-refused" });
  for (const wider of [
    { capabilities: ["log"] },
    { memoryBytes: 1_048_577 },
    { deadlineMs: 1_001 },
  ]) {
    const said = await caisson.install(caisson.north, "acme.grant-refused", wider);
    expect(said).toEqual(refusedWith("grant.wider"));
    await expectNotInstalled("acme.grant-refused");
  }
});

test("install accepts a grant as wide as the request [INSTALL-GRANT twin]", async () => {
  await published({ name: "grant-accepted", guest: "log-writer", capabilities: ["log"] });
  const terms = { capabilities: ["log"], memoryBytes: 1_048_576, deadlineMs: 1_000 };
  expect(await caisson.install(caisson.north, "acme.grant-accepted", terms)).toBe("ready");
});

/** Version 2 is installed, version 1 was admitted before it. */
async function upgraded(name: string): Promise<void> {
  for (const version of ["1.0.0", "2.0.0"]) {
    await published({ name, version });
    expect(await caisson.install(caisson.north, `acme.${name}`, { version })).toBe("ready");
  }
}

test("install refuses an older version that nobody asked to go back to [INSTALL-OLDER]", async () => {
  await upgraded("older-refused");
  const request = { version: "1.0.0" };
  expect(await caisson.install(caisson.north, "acme.older-refused", request)).toEqual(
    refusedWith("version.downgrade"),
  );
});

test("install goes back to an older version when asked by name [INSTALL-OLDER twin]", async () => {
  await upgraded("older-accepted");
  const request = { version: "1.0.0", rollback: true };
  expect(await caisson.install(caisson.north, "acme.older-accepted", request)).toBe("ready");
});

test("install refuses a key that lost the install door [INSTALL-SCOPE]", async () => {
  expect(await installUnder("scope-refused", ["publish", "load"])).toEqual(
    refusedWith("signer.scope"),
  );
  await expectNotInstalled("acme.scope-refused");
});

test("install accepts a key that kept the install door [INSTALL-SCOPE twin]", async () => {
  expect(await installUnder("scope-accepted", ["publish", "install", "load"])).toBe("ready");
});

/** Publishes under a key with every door, then changes its doors. */
async function installUnder(name: string, doors: string[]): Promise<string> {
  const signer = newSigner();
  await trust(caisson.operator, signer.publicKey, {});
  const artifact = caisson.sign(await pack({ name }), signer);
  expect(await caisson.publish(artifact)).toBe("admitted");
  await trust(caisson.operator, signer.publicKey, { doors });
  return caisson.install(caisson.north, `acme.${name}`);
}
