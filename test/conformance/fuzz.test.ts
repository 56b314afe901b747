import * as fc from "fast-check";
import { expect, test } from "vitest";

import {
  claimedOrigin,
  decodeEntries,
  openDocument,
  parseBundle,
  parseEnvelope,
  parseNote,
  parseReleaseStatement,
  parseTrustBundle,
  parseTrustRootBody,
  parseVerifierKey,
  PublicKey,
  serializeEnvelope,
  writeUtf8,
} from "../../src/core/trust/index.ts";
import { selfSigned } from "../fakes/certificate.ts";
import { refusal } from "../fakes/refusal.ts";
import { FakeLog, goodRelease, newPrivateKey, newSigner, NOW } from "../fakes/releases.ts";

const { completed, log, signer } = goodRelease();
const bundle = parseBundle(completed);
const envelope = bundle.content.kind === "envelope" ? bundle.content.envelope : null;
if (envelope === null) throw new Error("a release is an envelope");
const certificate = selfSigned(
  newPrivateKey("p256"),
  new Date("2030-01-01T00:00:00Z"),
  new Date("2031-01-01T00:00:00Z"),
);
const checkpoint = log.include(writeUtf8("body")).checkpoint;

/** Every decoder of the face that takes foreign bytes, with an input that it accepts. */
const DECODERS: readonly (readonly [
  name: string,
  good: Uint8Array,
  run: (bytes: Uint8Array) => unknown,
])[] = [
  ["parseBundle", completed, parseBundle],
  ["parseEnvelope", serializeEnvelope(envelope), (bytes) => parseEnvelope(bytes)],
  ["parseReleaseStatement", envelope.payload, parseReleaseStatement],
  ["parseNote", checkpoint, parseNote],
  ["claimedOrigin", checkpoint, claimedOrigin],
  ["parseTrustBundle", writeUtf8(signer.publicKey.toPem() + certificate), parseTrustBundle],
  ["PublicKey.fromSpki of P-256", signer.publicKey.spki, (bytes) => PublicKey.fromSpki(bytes)],
  [
    "PublicKey.fromSpki of RSA",
    newSigner("rsa2048").publicKey.spki,
    (bytes) => PublicKey.fromSpki(bytes),
  ],
  [
    "parseVerifierKey",
    writeUtf8(new FakeLog().key.verifierKey),
    (bytes) => parseVerifierKey(Buffer.from(bytes).toString("latin1")),
  ],
  ["decodeEntries", Uint8Array.of(0, 1, 7, 0, 0), (bytes) => decodeEntries(bytes, 2)],
];

/** A byte changed, taken out, doubled, or the rest cut off, up to three times. */
function damaged(good: Uint8Array): fc.Arbitrary<Uint8Array> {
  const damage = fc.tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.nat(),
    fc.integer({ min: 0, max: 255 }),
  );
  return fc.array(damage, { minLength: 1, maxLength: 3 }).map((damages) =>
    damages.reduce((bytes, [kind, where, byte]) => {
      const at = bytes.length === 0 ? 0 : where % bytes.length;
      const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
      if (kind === 0) return Uint8Array.from([...head, byte, ...tail.subarray(1)]);
      if (kind === 1) return Uint8Array.from([...head, ...tail.subarray(1)]);
      if (kind === 2) return Uint8Array.from([...head, byte, ...tail]);
      return Uint8Array.from(head);
    }, good),
  );
}

for (const [name, good, run] of DECODERS) {
  test(`${name}() accepts or refuses with a code, whatever is done to its input`, () => {
    expect(refusal(() => run(good))).toBe("accepted");
    fc.assert(
      fc.property(
        fc.oneof(damaged(good), fc.uint8Array({ maxLength: 300 })),
        (bytes) => void refusal(() => run(bytes)),
      ),
      { numRuns: 400 },
    );
  });
}

test("openDocument() refuses with a code, whatever is done to the envelope", () => {
  const bytes = serializeEnvelope(envelope);
  const keys = [signer.publicKey];
  fc.assert(
    fc.property(damaged(bytes), (changed) => {
      expect(
        refusal(() => openDocument("trust-root", changed, keys, NOW, parseTrustRootBody)),
      ).not.toBe("accepted");
    }),
  );
});
