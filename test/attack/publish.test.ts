import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import { createSigner } from "../../src/core/trust/index.ts";
import { attachBundle, pushArtifact } from "../../src/kit/index.ts";
import type { SignedArtifact } from "../../src/kit/index.ts";
import { pack, send } from "../e2e/caisson.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson, trust } from "../e2e/start-caisson.ts";
import { selfSigned } from "../fakes/certificate.ts";
import { newPrivateKey, newSigner } from "../fakes/releases.ts";
import {
  bundleOf,
  flip,
  flipSignature,
  partsOf,
  replaceText,
  signAs,
  swapFiles,
  swapManifest,
} from "./forge.ts";
import { cosignBundle } from "./cosign-bundle.ts";

let caisson: Caisson;
beforeAll(async () => (caisson = await startCaisson()));
afterAll(() => caisson[Symbol.asyncDispose]());

async function signed(name: string, version = "1.0.0"): Promise<SignedArtifact> {
  return caisson.sign(await pack({ name, version }));
}

/** A refusal leaves nothing behind: no version, no manifest. */
async function expectNothingLeft(artifact: SignedArtifact): Promise<void> {
  const { publisher, name } = artifact.config;
  const { items } = await call(caisson.operator, operations.artifactList, {
    query: { extension: `${publisher}.${name}` },
  });
  expect(items.filter((item) => item.contentHash === artifact.digest)).toEqual([]);
  const port = Number(new URL(caisson.operator.url).port);
  const { status } = await send(port, `/v2/${publisher}/${name}/manifests/${artifact.digest}`, {
    headers: { authorization: `Bearer ${caisson.operator.key}` },
  });
  expect(status).toBe(404);
}

test("publish refuses a byte changed in component, config or manifest after signing [PUBLISH-BYTES]", async () => {
  const good = await signed("bytes-refused");
  const { config, component } = partsOf(good);
  const forged = [
    swapFiles(good, { component: flip(component) }),
    swapFiles(good, { config: replaceText(config, "1048576", "1048577") }),
    swapManifest(good, replaceText(good.manifest, '"application/wasm"', '"application/wasn"')),
  ];
  for (const artifact of forged) {
    expect(await caisson.publish(artifact)).toContain("subject.mismatch");
    await expectNothingLeft(artifact);
  }
});

test("publish admits the bytes that were signed [PUBLISH-BYTES twin]", async () => {
  const good = await signed("bytes-admitted");
  const { config, component } = partsOf(good);
  expect(await caisson.publish(swapFiles(good, { config, component }))).toBe("admitted");
});

test("publish refuses a byte changed in the signature [PUBLISH-SIGNATURE]", async () => {
  const good = await signed("signature-refused");
  const forged = attachBundle(good, flipSignature(bundleOf(good)));
  expect(await caisson.publish(forged)).toContain("signature.invalid");
  await expectNothingLeft(forged);
});

test("publish admits the signature unchanged [PUBLISH-SIGNATURE twin]", async () => {
  const good = await signed("signature-admitted");
  expect(await caisson.publish(attachBundle(good, bundleOf(good)))).toBe("admitted");
});

test("publish refuses an artifact without a bundle [PUBLISH-UNSIGNED]", async () => {
  const good = await signed("unsigned-refused");
  await pushManifestOnly(good);
  expect(await caisson.judge(good, "1.0.0")).toContain("signature.missing");
  await expectNothingLeft(good);
});

test("publish admits the artifact with its bundle [PUBLISH-UNSIGNED twin]", async () => {
  expect(await caisson.publish(await signed("unsigned-admitted"))).toBe("admitted");
});

/** The referrer of an artifact is its second manifest: here another one stands in its place. */
async function pushManifestOnly(artifact: SignedArtifact): Promise<void> {
  await pushArtifact(caisson.north, {
    ...artifact,
    referrer: artifact.manifest,
    referrerDigest: artifact.digest,
  });
}

test("publish refuses a signature by a key that the trust bundle does not hold [PUBLISH-UNKNOWN-KEY]", async () => {
  const forged = caisson.sign(await pack({ name: "unknown-refused" }), newSigner());
  expect(await caisson.publish(forged)).toContain("signer.unknown");
  await expectNothingLeft(forged);
});

test("publish admits the same after the operator trusted the key [PUBLISH-UNKNOWN-KEY twin]", async () => {
  const signer = newSigner();
  await trust(caisson.operator, signer.publicKey, {});
  expect(
    await caisson.publish(caisson.sign(await pack({ name: "unknown-admitted" }), signer)),
  ).toBe("admitted");
});

test("publish refuses a held key that has no scope [PUBLISH-UNSCOPED]", async () => {
  const signer = newSigner();
  const pem = signer.publicKey.toPem();
  await call(caisson.operator, operations.trustAdd, { body: { pem } });
  const forged = caisson.sign(await pack({ name: "unscoped-refused" }), signer);
  expect(await caisson.publish(forged)).toContain("signer.unscoped");
  await expectNothingLeft(forged);
});

test("publish admits a held key with a scope [PUBLISH-UNSCOPED twin]", async () => {
  const signer = newSigner();
  await trust(caisson.operator, signer.publicKey, {});
  const good = caisson.sign(await pack({ name: "unscoped-admitted" }), signer);
  expect(await caisson.publish(good)).toBe("admitted");
});

test("publish refuses a key outside its scope [PUBLISH-SCOPE]", async () => {
  const signer = newSigner();
  await trust(caisson.operator, signer.publicKey, { publishers: ["other"] });
  const forged = caisson.sign(await pack({ name: "scope-refused" }), signer);
  expect(await caisson.publish(forged)).toContain("signer.scope");
  await expectNothingLeft(forged);
});

test("publish admits a key inside its scope [PUBLISH-SCOPE twin]", async () => {
  const signer = newSigner();
  await trust(caisson.operator, signer.publicKey, { publishers: ["acme"] });
  const good = caisson.sign(await pack({ name: "scope-admitted" }), signer);
  expect(await caisson.publish(good)).toBe("admitted");
});

const YEAR_MS = 365 * 24 * 3_600_000;

/** A certificate is a key with dates. */
async function certified(fromMs: number, toMs: number) {
  const key = newPrivateKey("p256");
  const signer = createSigner(key);
  const at = (ms: number) => new Date(Date.now() + ms);
  await trust(caisson.operator, signer.publicKey, {}, selfSigned(key, at(fromMs), at(toMs)));
  return signer;
}

test("publish refuses a key before and after its dates [PUBLISH-WINDOW]", async () => {
  for (const [from, to] of [
    [-2 * YEAR_MS, -YEAR_MS],
    [YEAR_MS, 2 * YEAR_MS],
  ] as const) {
    const forged = caisson.sign(await pack({ name: "window-refused" }), await certified(from, to));
    expect(await caisson.publish(forged)).toContain("signer.window");
    await expectNothingLeft(forged);
  }
});

test("publish admits a key within its dates [PUBLISH-WINDOW twin]", async () => {
  const good = caisson.sign(
    await pack({ name: "window-admitted" }),
    await certified(-YEAR_MS, YEAR_MS),
  );
  expect(await caisson.publish(good)).toBe("admitted");
});

test("publish refuses a signature moved to another name or version [PUBLISH-MOVED]", async () => {
  const packed = await pack({ name: "moved-refused" });
  for (const change of [{ name: "moved-elsewhere" }, { version: "0.9.0" }]) {
    const forged = signAs(packed, caisson.signer, change);
    expect(await caisson.publish(forged)).toContain("statement.mismatch");
    await expectNothingLeft(forged);
  }
});

test("publish admits a signature for this name and version [PUBLISH-MOVED twin]", async () => {
  const good = signAs(await pack({ name: "moved-admitted" }), caisson.signer, {});
  expect(await caisson.publish(good)).toBe("admitted");
});

test("publish refuses a plain cosign signature of the manifest [PUBLISH-COSIGN]", async () => {
  const packed = await pack({ name: "cosign-refused" });
  const forged = attachBundle(packed, cosignBundle(packed.manifest, caisson.signer));
  expect(await caisson.publish(forged)).toContain("statement.type");
  await expectNothingLeft(forged);
});

test("publish admits a release statement by the same key [PUBLISH-COSIGN twin]", async () => {
  expect(await caisson.publish(await signed("cosign-admitted"))).toBe("admitted");
});

test("publish refuses the config of one extension under the name of another [PUBLISH-CONFIG]", async () => {
  const packed = await pack({ name: "config-one" });
  const renamed = { ...packed, config: { ...packed.config, name: "config-other" } };
  const forged = signAs(renamed, caisson.signer, {});
  expect(await caisson.publish(forged)).toContain("config.mismatch");
  await expectNothingLeft(forged);
});

test("publish admits a config under its own name [PUBLISH-CONFIG twin]", async () => {
  const good = signAs(await pack({ name: "config-admitted" }), caisson.signer, {});
  expect(await caisson.publish(good)).toBe("admitted");
});

test("publish refuses what a tag no longer names [PUBLISH-TAG]", async () => {
  const [first, second] = [await signed("tag-refused"), await other("tag-refused")];
  await pushArtifact(caisson.north, first);
  await pushArtifact(caisson.north, second);
  expect(await caisson.judge(first, "1.0.0")).toContain("tag.moved");
  await expectNothingLeft(first);
});

test("publish admits what the tag names [PUBLISH-TAG twin]", async () => {
  const [first, second] = [await signed("tag-admitted"), await other("tag-admitted")];
  await pushArtifact(caisson.north, second);
  await pushArtifact(caisson.north, first);
  expect(await caisson.judge(first, "1.0.0")).toBe("admitted");
});

/** Other bytes of the same name and version. */
async function other(name: string): Promise<SignedArtifact> {
  return caisson.sign(await pack({ name, limits: { deadlineMs: 999 } }));
}

/** "moved", or what the registry said. */
async function moveTag(artifact: SignedArtifact): Promise<string> {
  return pushArtifact(caisson.north, artifact).then(() => "moved", String);
}

test("the registry moves no tag that names an admitted version [PUSH-TAG]", async () => {
  expect(await caisson.publish(await signed("fixed-tag"))).toBe("admitted");
  expect(await moveTag(await other("fixed-tag"))).toContain("409");
});

test("the registry moves a tag that names no admitted version yet [PUSH-TAG twin]", async () => {
  await pushArtifact(caisson.north, await signed("loose-tag"));
  expect(await moveTag(await other("loose-tag"))).toBe("moved");
});

test("publish refuses other bytes under an admitted version [PUBLISH-VERSION]", async () => {
  expect(await caisson.publish(await signed("version-refused"))).toBe("admitted");
  const forged = await other("version-refused");
  await pushArtifact(caisson.north, forged, "digest");
  expect(await caisson.judge(forged, "1.0.0")).toContain("version.exists");
  await expectNothingLeft(forged);
});

test("publish admits the same bytes again [PUBLISH-VERSION twin]", async () => {
  const good = await signed("version-admitted");
  expect(await caisson.publish(good)).toBe("admitted");
  await pushArtifact(caisson.north, good, "digest");
  expect(await caisson.judge(good, "1.0.0")).toBe("admitted");
});

test("publish refuses a version below the newest [PUBLISH-OLDER]", async () => {
  expect(await caisson.publish(await signed("older-refused", "2.0.0"))).toBe("admitted");
  const forged = await signed("older-refused", "1.9.9");
  expect(await caisson.publish(forged)).toContain("version.older");
  await expectNothingLeft(forged);
});

test("publish admits a version above the newest [PUBLISH-OLDER twin]", async () => {
  expect(await caisson.publish(await signed("older-admitted", "2.0.0"))).toBe("admitted");
  expect(await caisson.publish(await signed("older-admitted", "2.0.1"))).toBe("admitted");
});

test("the registry refuses a push under another tenant's publisher [PUSH-FOREIGN]", async () => {
  const forged = await signed("foreign-refused");
  const refused = pushArtifact(caisson.south, forged).catch((error: unknown) => String(error));
  expect((await refused) ?? "taken").toContain("403");
  await expectNothingLeft(forged);
});

test("the registry takes a push by the publisher's own tenant [PUSH-FOREIGN twin]", async () => {
  const good = await signed("foreign-admitted");
  const refused = pushArtifact(caisson.north, good).catch((error: unknown) => String(error));
  expect(await refused).toBeUndefined();
});

test("publish refuses a component that imports what its manifest does not ask for [PUBLISH-IMPORTS]", async () => {
  const forged = caisson.sign(await pack({ name: "imports-refused", guest: "log-writer" }));
  expect(await caisson.publish(forged)).toContain("import.unasked");
  await expectNothingLeft(forged);
});

test("publish admits a component whose manifest asks for its imports [PUBLISH-IMPORTS twin]", async () => {
  const good = caisson.sign(
    await pack({ name: "imports-admitted", guest: "log-writer", capabilities: ["log"] }),
  );
  expect(await caisson.publish(good)).toBe("admitted");
});
