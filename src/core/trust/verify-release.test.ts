import { expect, test } from "vitest";

import { at, editBytes, GONE, readJson } from "../../../test/fakes/edit-json.ts";
import type { Edit } from "../../../test/fakes/edit-json.ts";
import { refusal } from "../../../test/fakes/refusal.ts";
import {
  anchorFor,
  EXPECTED,
  FakeLog,
  goodRelease,
  MANIFEST_DIGEST,
  newSigner,
  STATEMENT,
  trustRootFor,
} from "../../../test/fakes/releases.ts";
import { buildBundle, completeBundle, logEntryOf, parseBundle, signRelease } from "./bundle.ts";
import { canonicalJson } from "./canonical-json.ts";
import { digestOf } from "./digest.ts";
import { signEnvelope } from "./dsse.ts";
import { writeUtf8 } from "./encodings.ts";
import { IN_TOTO_PAYLOAD_TYPE } from "./statement.ts";
import { parseStrictJson } from "./strict-json.ts";
import { verifyRelease } from "./verify-release.ts";
import type { ReleaseQuestion } from "./verify-release.ts";
import { Verified } from "./verified.ts";

function denials(question: ReleaseQuestion): string[] {
  const result = verifyRelease(question);
  expect(result.ok).toBe(!result.steps.some((step) => step.outcome === "deny"));
  return result.steps.flatMap((step) => (step.outcome === "deny" ? [step.code] : []));
}

test("verifyRelease() allows a signed, scoped, logged release and hands out a verified value", () => {
  for (const key of ["p256", "p384", "rsa2048"] as const) {
    const { question, signer, log } = goodRelease({}, key);
    const result = verifyRelease(question);
    expect(result.steps.filter((step) => step.outcome === "deny")).toEqual([]);
    expect(result.ok && Verified.is(result.release)).toBe(true);
    expect(result.release?.value).toMatchObject({
      manifestDigest: MANIFEST_DIGEST,
      signer: { spkiDigest: signer.publicKey.spkiDigest },
      log: { origin: log.key.origin, index: 1n, size: 2n },
    });
    expect(result.steps.map((step) => step.code)).toEqual([
      "bundle.read",
      "signer.known",
      "signature.valid",
      "signer.in-scope",
      "signer.in-window",
      "statement.read",
      "subject.matches",
      "statement.matches",
      "log.included",
    ]);
  }
});

test("verifyRelease() needs the log unless the door says that it appends the entry itself", () => {
  const { question, pushed } = goodRelease();
  expect(denials({ ...question, bundleBytes: pushed })).toEqual(["log.missing"]);
  const open = verifyRelease({ ...question, bundleBytes: pushed, requireLog: false });
  expect(open.ok && open.release.value.log).toBe(null);
  expect(open.steps.at(-1)?.code).toBe("log.not-required");
});

test("verifyRelease() refuses no bundle, no JSON, an endless bundle and a certificate chain", () => {
  const { question, completed } = goodRelease();
  expect(denials({ ...question, bundleBytes: null })).toEqual(["signature.missing"]);
  expect(denials({ ...question, bundleBytes: writeUtf8("{") })).toEqual(["json.syntax"]);
  expect(denials({ ...question, bundleBytes: new Uint8Array(1_048_577) })).toEqual([
    "json.too-large",
  ]);
  const chain = editBytes(completed, ["verificationMaterial.certificate", { rawBytes: "AAAA" }]);
  expect(denials({ ...question, bundleBytes: chain })).toEqual(["chain.unsupported"]);
  const unknown = editBytes(completed, ["extra", 1]);
  expect(denials({ ...question, bundleBytes: unknown })).toEqual(["bundle.malformed"]);
});

test("verifyRelease() refuses a key outside the trust root, and names the command for one without scope", () => {
  const { question, signer, log } = goodRelease();
  expect(
    denials({
      ...question,
      trustRoot: trustRootFor([anchorFor(newSigner().publicKey)], [log.key]),
    }),
  ).toEqual(["signer.unknown"]);
  const unscoped = {
    ...trustRootFor([], [log.key]),
    unscoped: [{ key: signer.publicKey, pemRef: "pem:1:public-key" }],
  };
  const [, step] = verifyRelease({ ...question, trustRoot: unscoped }).steps;
  expect(step).toMatchObject({ code: "signer.unscoped" });
  expect(step?.detail).toContain(`caisson trust scope ${signer.publicKey.spkiDigest}`);
});

test("verifyRelease() refuses a key beyond its scope in each of its three dimensions, and one without any", () => {
  const { question, signer, log } = goodRelease();
  const scope = { publishers: ["acme"], kinds: ["extension"], doors: ["install"] } as const;
  const asked = (change: object) => ({
    ...question,
    trustRoot: trustRootFor(
      [anchorFor(signer.publicKey, { scope: { ...scope, ...change } })],
      [log.key],
    ),
  });
  expect(denials(asked({}))).toEqual([]);
  expect(denials(asked({ publishers: ["*"] }))).toEqual([]);
  for (const change of [
    { publishers: ["acme-2"] },
    { kinds: ["module"] },
    { doors: ["publish"] },
    { publishers: [] },
    { kinds: [] },
    { doors: [] },
  ])
    expect(denials(asked(change))).toEqual(["signer.scope"]);
});

test("verifyRelease() judges the anchor's window, both ends included, and refuses without a clock", () => {
  const { question } = goodRelease();
  const at = (text: string) => denials({ ...question, now: new Date(text) });
  expect(at("2030-01-01T00:00:00Z")).toEqual([]);
  expect(at("2031-01-01T00:00:00Z")).toEqual([]);
  expect(at("2029-12-31T23:59:59.999Z")).toEqual(["signer.window", "log.window"]);
  expect(at("2031-01-01T00:00:00.001Z")).toEqual(["signer.window"]);
  expect(at("never")).toContain("clock.invalid");
});

test("verifyRelease() refuses an algorithm that the anchor does not allow", () => {
  const { question, signer, log } = goodRelease();
  const trustRoot = trustRootFor(
    [anchorFor(signer.publicKey, { algorithms: ["ecdsa-p384-sha384"] })],
    [log.key],
  );
  expect(denials({ ...question, trustRoot })).toEqual(["signer.algorithm"]);
});

test("verifyRelease() refuses other bytes, and a signature moved to another name, version, kind or platform", () => {
  const { question } = goodRelease();
  expect(
    denials({ ...question, manifestDigest: digestOf("manifest", writeUtf8("other")) }),
  ).toEqual(["subject.mismatch"]);
  for (const change of [{ name: "hello-2" }, { version: "1.2.4" }, { platform: "linux/amd64" }])
    expect(denials({ ...question, expected: { ...EXPECTED, ...change } })).toEqual([
      "statement.mismatch",
    ]);
  expect(denials({ ...question, expected: { ...EXPECTED, publisher: "other" } })).toEqual([
    "signer.scope",
    "statement.mismatch",
  ]);
});

test("verifyRelease() refuses a changed signature, payload or payload type", () => {
  const { question, completed } = goodRelease();
  const other = goodRelease().completed;
  const edits: readonly Edit[] = [
    ["dsseEnvelope.signatures.0.sig", at(readJson(other), "dsseEnvelope.signatures.0.sig")],
    ["dsseEnvelope.payloadType", "application/vnd.in-toto+json "],
    ["dsseEnvelope.payload", Buffer.from("{}").toString("base64")],
  ];
  for (const edit of edits)
    expect(denials({ ...question, bundleBytes: editBytes(completed, edit) })).toEqual([
      "signature.invalid",
    ]);
});

test("verifyRelease() refuses signed statements that are no release: a plain cosign signature, another predicate, a raw payload", () => {
  const { question, signer, log } = goodRelease();
  const subject = [{ name: "acme.hello@1.2.3", digest: { sha256: MANIFEST_DIGEST.slice(7) } }];
  const sealed = (type: string, payload: Uint8Array) => {
    const pushed = buildBundle(signEnvelope(type, payload, signer), signer.publicKey);
    return completeBundle(pushed, log.include(logEntryOf(parseBundle(pushed), signer.publicKey)));
  };
  const cosign = canonicalJson({
    _type: "https://in-toto.io/Statement/v1",
    subject,
    predicateType: "https://sigstore.dev/cosign/sign/v1",
    predicate: {},
  });
  expect(denials({ ...question, bundleBytes: sealed(IN_TOTO_PAYLOAD_TYPE, cosign) })).toEqual([
    "statement.type",
  ]);
  expect(denials({ ...question, bundleBytes: sealed("application/json", cosign) })).toEqual([
    "statement.type",
  ]);
});

test("verifyRelease() refuses a statement with each field dropped, and one field added", () => {
  const { question, signer, log } = goodRelease();
  const pushed = parseBundle(signRelease(STATEMENT, signer));
  const payload =
    pushed.content.kind === "envelope" ? pushed.content.envelope.payload : new Uint8Array();
  const attempt = (...edits: readonly Edit[]) => {
    const bundle = buildBundle(
      signEnvelope(IN_TOTO_PAYLOAD_TYPE, editBytes(payload, ...edits), signer),
      signer.publicKey,
    );
    return denials({
      ...question,
      bundleBytes: completeBundle(
        bundle,
        log.include(logEntryOf(parseBundle(bundle), signer.publicKey)),
      ),
    });
  };
  expect(attempt()).toEqual([]);
  for (const field of ["_type", "predicateType", "subject", "predicate"])
    expect(attempt([field, GONE])).toEqual(["statement.malformed"]);
  for (const field of ["v", "publisher", "name", "version", "channel", "mediaType", "issuedAt"])
    expect(attempt([`predicate.${field}`, GONE])).toEqual(["statement.malformed"]);
  expect(attempt(["predicate.also", 1])).toEqual(["statement.malformed"]);
  expect(attempt(["subject.1", at(readJson(payload), "subject.0")])).toEqual([
    "statement.malformed",
  ]);
  expect(attempt(["subject.0.name", "acme.other@1.2.3"])).toEqual(["statement.malformed"]);
  expect(attempt(["predicate.v", 2])).toEqual(["statement.malformed"]);
});

test("verifyRelease() refuses a statement past its expiry", () => {
  const expiresAt = new Date("2030-06-02T00:00:00Z");
  const { question } = goodRelease({ expiresAt });
  expect(denials(question)).toEqual([]);
  expect(denials({ ...question, now: expiresAt })).toEqual(["statement.expired"]);
});

test("verifyRelease() refuses the log entry of another signature by the same key over the same bytes", () => {
  const { question, signer, log, pushed } = goodRelease();
  const again = signRelease(STATEMENT, signer);
  const bundleBytes = completeBundle(
    pushed,
    log.include(logEntryOf(parseBundle(again), signer.publicKey)),
  );
  expect(denials({ ...question, bundleBytes })).toEqual(["log.entry-mismatch"]);
});

test("verifyRelease() refuses a log that the trust root does not name, another log's note, and edited proofs", () => {
  const { question, completed, signer, pushed, log } = goodRelease();
  const stranger = new FakeLog("log.example/artifacts");
  const elsewhere = completeBundle(
    pushed,
    stranger.include(logEntryOf(parseBundle(pushed), signer.publicKey)),
  );
  expect(denials({ ...question, bundleBytes: elsewhere })).toEqual(["log.unknown"]);
  const both = completeBundle(
    completed,
    stranger.include(logEntryOf(parseBundle(pushed), signer.publicKey)),
  );
  expect(denials({ ...question, bundleBytes: both })).toEqual(["log.unknown"]);
  const entry = (...edits: readonly Edit[]) => {
    const inEntry = edits.map(([path, value]): Edit => [
      `verificationMaterial.tlogEntries.0.${path}`,
      value,
    ]);
    return denials({ ...question, bundleBytes: editBytes(completed, ...inEntry) });
  };
  const envelope = String(
    at(
      readJson(completed),
      "verificationMaterial.tlogEntries.0.inclusionProof.checkpoint.envelope",
    ),
  );
  expect(entry()).toEqual([]);
  expect(entry(["inclusionProof", GONE])).toEqual(["log.inclusion"]);
  expect(entry(["logIndex", "0"])).toEqual(["log.inclusion"]);
  expect(entry(["logIndex", "0"], ["inclusionProof.logIndex", "0"])).toEqual(["log.inclusion"]);
  expect(entry(["inclusionProof.treeSize", "3"])).toEqual(["log.inclusion"]);
  expect(entry(["inclusionProof.hashes", []])).toEqual(["log.inclusion"]);
  expect(entry(["inclusionProof.checkpoint.envelope", envelope.replace("\n2\n", "\n3\n")])).toEqual(
    ["log.checkpoint"],
  );
  expect(entry(["integratedTime", "1900000000"])).toEqual(["log.entry-mismatch"]);
  expect(entry(["inclusionPromise", { signedEntryTimestamp: "AAAA" }])).toEqual([
    "log.entry-mismatch",
  ]);
  expect(entry(["kindVersion.version", "0.0.1"])).toEqual(["log.entry-mismatch"]);
  const retired = { ...log.key, validTo: new Date("2030-02-01T00:00:00Z") };
  expect(
    denials({ ...question, trustRoot: trustRootFor([anchorFor(signer.publicKey)], [retired]) }),
  ).toEqual(["log.window"]);
});

test("signRelease() refuses a key that no log takes", () => {
  expect(refusal(() => signRelease(STATEMENT, newSigner("ed25519")))).toBe("key.unsupported");
  expect(refusal(() => signRelease(STATEMENT, newSigner("p256")))).toBe("accepted");
});

test("completeBundle() renews an entry in its place, and verifyRelease() refuses a bundle that holds one twice", () => {
  const { question, completed, signer, log } = goodRelease();
  const again = completeBundle(
    completed,
    log.include(logEntryOf(parseBundle(completed), signer.publicKey)),
  );
  expect(again).toEqual(completed);
  const entry = at(readJson(completed), "verificationMaterial.tlogEntries.0");
  const twice = editBytes(completed, ["verificationMaterial.tlogEntries.1", entry]);
  expect(denials({ ...question, bundleBytes: again })).toEqual([]);
  expect(denials({ ...question, bundleBytes: twice })).toEqual(["log.duplicate"]);
});

test("completeBundle() keeps the envelope byte for byte and int64 values as text", () => {
  const { pushed, completed } = goodRelease();
  const [before, after] = [readJson(pushed), readJson(completed)];
  expect(at(after, "dsseEnvelope")).toEqual(at(before, "dsseEnvelope"));
  expect(at(after, "verificationMaterial.tlogEntries.0")).toMatchObject({
    logIndex: "1",
    integratedTime: "0",
    inclusionProof: { treeSize: "2" },
  });
  expect(parseStrictJson(completed, { maxBytes: 1_048_576 })).toEqual(after);
});
