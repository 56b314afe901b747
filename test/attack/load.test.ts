import { createHmac } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { canonicalJson, digestOf } from "../../src/core/trust/index.ts";
import type { JsonObject } from "../../src/core/trust/index.ts";
import type { SignedArtifact } from "../../src/kit/index.ts";
import { pack } from "../e2e/caisson.ts";
import type { Caisson, ExtensionParts } from "../e2e/caisson.ts";
import { startCaisson, trust } from "../e2e/start-caisson.ts";
import { newSigner } from "../fakes/releases.ts";
import { buildFiles, completedBundle, evidenceAttacks, plantInRunner } from "./evidence.ts";
import { cosignBundle } from "./cosign-bundle.ts";
import { bundleOf, flip, partsOf, replaceText, signAs } from "./forge.ts";

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
  // Makes the runner's folders, and a log of more than one entry.
  await caisson.serve({ name: "first" });
});
afterAll(() => caisson[Symbol.asyncDispose]());

async function published(parts: ExtensionParts): Promise<SignedArtifact> {
  const artifact = caisson.sign(await pack(parts));
  expect(await caisson.publish(artifact)).toBe("admitted");
  return artifact;
}

/** Puts other evidence on the runner's disk than control has, and installs. */
async function loadWith(
  name: string,
  attack: (bundle: Uint8Array, other: Uint8Array) => Uint8Array,
): Promise<string> {
  const other = await completedBundle(caisson, await published({ name: `${name}-other` }));
  const { bundle, digest } = await completedBundle(caisson, await published({ name }));
  await plantInRunner(caisson, "blob", digest, attack(bundle, other.bundle));
  return caisson.install(caisson.north, `acme.${name}`);
}

/** Puts other bytes of one part on the runner's disk than control has, and installs. */
async function loadChanged(
  name: string,
  part: "component" | "config",
  change: (bytes: Uint8Array) => Uint8Array,
): Promise<string> {
  const artifact = await published({ name });
  const bytes = partsOf(artifact)[part];
  await plantInRunner(caisson, "blob", digestOf("file", bytes), change(bytes));
  return caisson.install(caisson.north, `acme.${name}`);
}

/** The runner's own word, in the install's failure. */
function refusedWith(code: string) {
  return expect.stringMatching(new RegExp(`^failed: load.refused: .*${code.replace(".", "\\.")}`));
}

const { signature, proof, checkpoint, entry, unlogged, none } = evidenceAttacks;

test("load refuses a byte changed in the component [LOAD-COMPONENT]", async () => {
  const said = await loadChanged("component-refused", "component", flip);
  expect(said).toEqual(refusedWith("digest.mismatch"));
});

test("load accepts the component unchanged [LOAD-COMPONENT twin]", async () => {
  expect(await loadChanged("component-accepted", "component", (bytes) => bytes)).toBe("ready");
});

test("load refuses a byte changed in the config [LOAD-CONFIG]", async () => {
  const wider = (bytes: Uint8Array) => replaceText(bytes, "1048576", "1048577");
  const said = await loadChanged("config-refused", "config", wider);
  expect(said).toEqual(refusedWith("digest.mismatch"));
});

test("load accepts the config unchanged [LOAD-CONFIG twin]", async () => {
  expect(await loadChanged("config-accepted", "config", (bytes) => bytes)).toBe("ready");
});

async function loadManifest(
  name: string,
  change: (bytes: Uint8Array) => Uint8Array,
): Promise<string> {
  const { manifest, digest } = await published({ name });
  await plantInRunner(caisson, "manifest", digest, change(manifest));
  return caisson.install(caisson.north, `acme.${name}`);
}

test("load refuses a byte changed in the manifest [LOAD-MANIFEST]", async () => {
  const change = (bytes: Uint8Array) =>
    replaceText(bytes, '"application/wasm"', '"application/wasn"');
  const said = await loadManifest("manifest-refused", change);
  expect(said).toEqual(refusedWith("grant.mismatch"));
  expect(said).toEqual(refusedWith("subject.mismatch"));
});

test("load accepts the manifest unchanged [LOAD-MANIFEST twin]", async () => {
  expect(await loadManifest("manifest-accepted", (bytes) => bytes)).toBe("ready");
});

test("load refuses a byte changed in the signature [LOAD-SIGNATURE]", async () => {
  const said = await loadWith("signature-refused", signature);
  expect(said).toEqual(refusedWith("signature.invalid"));
});

test("load accepts the signature unchanged [LOAD-SIGNATURE twin]", async () => {
  expect(await loadWith("signature-accepted", none)).toBe("ready");
});

test("load refuses a byte changed in the log proof [LOAD-PROOF]", async () => {
  expect(await loadWith("proof-refused", proof)).toEqual(refusedWith("log.inclusion"));
});

test("load accepts the log proof unchanged [LOAD-PROOF twin]", async () => {
  expect(await loadWith("proof-accepted", none)).toBe("ready");
});

test("load refuses a byte changed in the checkpoint [LOAD-CHECKPOINT]", async () => {
  expect(await loadWith("checkpoint-refused", checkpoint)).toEqual(refusedWith("log.checkpoint"));
});

test("load accepts the checkpoint unchanged [LOAD-CHECKPOINT twin]", async () => {
  expect(await loadWith("checkpoint-accepted", none)).toBe("ready");
});

test("load refuses the log entry of another signature [LOAD-ENTRY]", async () => {
  expect(await loadWith("entry-refused", entry)).toEqual(refusedWith("log.entry-mismatch"));
});

test("load accepts the log entry of this signature [LOAD-ENTRY twin]", async () => {
  expect(await loadWith("entry-accepted", (bundle) => entry(bundle, bundle))).toBe("ready");
});

test("load refuses a release that is in no log [LOAD-UNLOGGED]", async () => {
  expect(await loadWith("unlogged-refused", unlogged)).toEqual(refusedWith("log.missing"));
});

test("load accepts a release with its log entry [LOAD-UNLOGGED twin]", async () => {
  expect(await loadWith("unlogged-accepted", none)).toBe("ready");
});

/** Puts one bundle in the place of all others that the runner would fetch. */
async function loadSigned(
  name: string,
  bundle: (artifact: SignedArtifact) => Uint8Array,
): Promise<string> {
  const artifact = await published({ name });
  const { digest } = await completedBundle(caisson, artifact);
  await plantInRunner(caisson, "blob", digest, bundle(artifact));
  return caisson.install(caisson.north, `acme.${name}`);
}

/** The runner finds these referrers. */
async function loadReferred(name: string, keep: boolean): Promise<string> {
  const { digest } = await published({ name });
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const path = `/v2/acme/${name}/referrers/${digest}`;
  const index = await caisson.fetchRegistry(path);
  const none = new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType, manifests: [] }),
  );
  await plantInRunner(caisson, "referrers", digest, keep ? index : none);
  return caisson.install(caisson.north, `acme.${name}`);
}

test("load refuses a release without a bundle [LOAD-UNSIGNED]", async () => {
  expect(await loadReferred("unsigned-refused", false)).toEqual(refusedWith("signature.missing"));
});

test("load accepts a release with its bundle [LOAD-UNSIGNED twin]", async () => {
  expect(await loadReferred("unsigned-accepted", true)).toBe("ready");
});

test("load refuses a signature by a key that the trust root does not hold [LOAD-UNKNOWN-KEY]", async () => {
  const said = await loadSigned("unknown-refused", (artifact) =>
    bundleOf(signAs(artifact, newSigner(), {})),
  );
  expect(said).toEqual(refusedWith("signer.unknown"));
});

test("load accepts the publisher's own signature [LOAD-UNKNOWN-KEY twin]", async () => {
  expect(await loadWith("unknown-accepted", none)).toBe("ready");
});

test("load refuses a signature moved to another name or version [LOAD-MOVED]", async () => {
  for (const change of [{ name: "elsewhere" }, { version: "0.9.0" }]) {
    const said = await loadSigned(`moved-refused-${Object.keys(change).join("")}`, (artifact) =>
      bundleOf(signAs(artifact, caisson.signer, change)),
    );
    expect(said).toEqual(refusedWith("statement.mismatch"));
  }
});

test("load accepts a signature for this name and version [LOAD-MOVED twin]", async () => {
  expect(await loadWith("moved-accepted", none)).toBe("ready");
});

test("load refuses a plain cosign signature of the manifest [LOAD-COSIGN]", async () => {
  const said = await loadSigned("cosign-refused", ({ manifest }) =>
    cosignBundle(manifest, caisson.signer),
  );
  expect(said).toEqual(refusedWith("statement.type"));
});

test("load accepts a logged release statement by the same key [LOAD-COSIGN twin]", async () => {
  expect(await loadWith("cosign-accepted", none)).toBe("ready");
});

/** Publishes under a key with every door, then changes its doors. */
async function loadUnder(name: string, doors: string[]): Promise<string> {
  const signer = newSigner();
  await trust(caisson.operator, signer.publicKey, {});
  expect(await caisson.publish(caisson.sign(await pack({ name }), signer))).toBe("admitted");
  await trust(caisson.operator, signer.publicKey, { doors });
  return caisson.install(caisson.north, `acme.${name}`);
}

test("load refuses a key whose scope lacks the load door [LOAD-SCOPE]", async () => {
  const said = await loadUnder("scope-refused", ["publish", "install"]);
  expect(said).toEqual(refusedWith("signer.scope"));
});

test("load accepts a key whose scope has the load door [LOAD-SCOPE twin]", async () => {
  expect(await loadUnder("scope-accepted", ["publish", "install", "load"])).toBe("ready");
});

interface Build {
  readonly code: string;
  readonly record: string;
}

/** Lets the runner build a component, changes what lies in its build store, and lets it load again. */
async function loadBuilt(name: string, attack: (build: Build) => Promise<void>): Promise<string> {
  const artifact = await caisson.serve({ name });
  await caisson.uninstall(caisson.north, `acme.${name}`);
  await attack(await buildFiles(caisson, partsOf(artifact).component));
  return caisson.install(caisson.north, `acme.${name}`);
}

async function edit(path: string, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  await writeFile(path, change(new Uint8Array(await readFile(path))));
}

/** In the padding of the ELF header: the code runs as before, whoever maps it. */
const UNREAD_BYTE = 15;

test("load refuses a byte changed in compiled code [BUILD-CODE]", async () => {
  const said = await loadBuilt("code-refused", ({ code }) =>
    edit(code, (bytes) => flip(bytes, UNREAD_BYTE)),
  );
  expect(said).toContain("failed: build.digest");
});

test("load accepts compiled code unchanged [BUILD-CODE twin]", async () => {
  const said = await loadBuilt("code-accepted", ({ code }) => edit(code, (bytes) => bytes));
  expect(said).toBe("ready");
});

interface BuildRecord {
  body: string;
  mac: string;
}

async function editRecord(path: string, change: (record: BuildRecord) => void): Promise<void> {
  await edit(path, (bytes) => {
    const record = JSON.parse(Buffer.from(bytes).toString()) as BuildRecord; // written by the runner
    change(record);
    return new TextEncoder().encode(JSON.stringify(record));
  });
}

test("load refuses a byte changed in the MAC of a build record [BUILD-MAC]", async () => {
  const said = await loadBuilt("mac-refused", ({ record }) =>
    editRecord(record, (json) => {
      json.mac = Buffer.from(flip(Buffer.from(json.mac, "hex"))).toString("hex");
    }),
  );
  expect(said).toContain("failed: build.mac");
});

test("load accepts a build record with its MAC [BUILD-MAC twin]", async () => {
  expect(await loadBuilt("mac-accepted", ({ record }) => editRecord(record, () => {}))).toBe(
    "ready",
  );
});

/** The record says what `change` makes of it; its MAC stays, or is made again with the runner's key. */
async function rewriteRecord(
  path: string,
  change: (claim: Record<string, unknown>) => void,
  key?: Buffer,
): Promise<void> {
  await editRecord(path, (record) => {
    const claim = JSON.parse(Buffer.from(record.body, "hex").toString()) as Record<string, unknown>;
    change(claim);
    const body = Buffer.from(canonicalJson(claim as JsonObject));
    record.body = body.toString("hex");
    if (key !== undefined) record.mac = createHmac("sha256", key).update(body).digest("hex");
  });
}

async function macKey(): Promise<Buffer> {
  return Buffer.from(
    (await readFile(join(caisson.data, "runner/builds/mac.key"), "utf8")).trim(),
    "hex",
  );
}

/** Other code, and a record that names it. */
async function swapCode({ code, record }: Build, key?: Buffer): Promise<void> {
  await edit(code, (bytes) => flip(bytes, UNREAD_BYTE));
  const digest = digestOf("file", await readFile(code));
  await rewriteRecord(record, (claim) => (claim["build"] = digest), key);
}

test("load refuses other code under a record that its MAC does not cover [BUILD-RECORD]", async () => {
  const said = await loadBuilt("record-refused", (build) => swapCode(build));
  expect(said).toContain("failed: build.mac");
});

test("load accepts a record that its MAC covers [BUILD-RECORD twin]", async () => {
  const key = await macKey();
  expect(await loadBuilt("record-accepted", (build) => swapCode(build, key))).toBe("ready");
});

test("load refuses a build of another engine [BUILD-ENGINE]", async () => {
  const key = await macKey();
  const said = await loadBuilt("engine-refused", ({ record }) =>
    rewriteRecord(record, (claim) => (claim["fingerprint"] = "0".repeat(64)), key),
  );
  expect(said).toContain("failed: build.fingerprint");
});

test("load accepts a build of this engine [BUILD-ENGINE twin]", async () => {
  const key = await macKey();
  const said = await loadBuilt("engine-accepted", ({ record }) =>
    rewriteRecord(record, () => {}, key),
  );
  expect(said).toBe("ready");
});

/** Another component's build, code and record, under this one's name. */
async function loadOther(name: string, other: (own: Build) => Promise<Build>) {
  return loadBuilt(name, async (own) => {
    const { code, record } = await other(own);
    const [codeBytes, recordBytes] = [await readFile(code), await readFile(record)];
    await writeFile(own.code, codeBytes);
    await writeFile(own.record, recordBytes);
  });
}

test("load refuses the build of another component [BUILD-COMPONENT]", async () => {
  const donor = await caisson.serve({ name: "component-donor", guest: "echo" });
  const said = await loadOther("component-build-refused", () =>
    buildFiles(caisson, partsOf(donor).component),
  );
  expect(said).toContain("failed: build.component");
});

test("load accepts the build of this component [BUILD-COMPONENT twin]", async () => {
  expect(await loadOther("component-build-accepted", async (own) => own)).toBe("ready");
});
