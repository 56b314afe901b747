import { expect, test } from "vitest";

import { refusal } from "../../../test/fakes/refusal.ts";
import { newSigner, NOW } from "../../../test/fakes/releases.ts";
import { documentPayloadType, documentTimes, openDocument, sealDocument } from "./document.ts";
import { serializeEnvelope, signEnvelope } from "./dsse.ts";
import { writeUtf8 } from "./encodings.ts";
import type { ObjectReader } from "./object-reader.ts";

const SIGNER = newSigner("ed25519");
const KEYS = [SIGNER.publicKey];
const TIMES = documentTimes(new Date("2030-06-01T11:59:00Z"), new Date("2030-06-01T12:01:00Z"));
const read = (reader: ObjectReader) => ({ epoch: reader.integer("epoch") });
const sealed = (fields: object = {}) =>
  sealDocument("fence", { ...TIMES, epoch: 7, ...fields }, SIGNER);
const raw = (payload: string, type = documentPayloadType("fence")) =>
  serializeEnvelope(signEnvelope(type, writeUtf8(payload), SIGNER));

test("openDocument() gives the body, its digest and the key of a document that sealDocument() made", () => {
  const opened = openDocument("fence", sealed(), KEYS, NOW, read);
  expect(opened.body).toEqual({ epoch: 7 });
  expect(opened.key).toBe(SIGNER.publicKey);
  expect(opened.expiresAt).toEqual(new Date("2030-06-01T12:01:00Z"));
  expect(openDocument("fence", sealed(), KEYS, NOW, read).digest).toBe(opened.digest);
});

test("openDocument() refuses another kind, key, time, field or spelling", () => {
  const open = (bytes: Uint8Array, keys = KEYS, now = NOW) =>
    refusal(() => openDocument("fence", bytes, keys, now, read));
  expect(open(sealed())).toBe("accepted");
  expect(open(sealDocument("grant", { ...TIMES, epoch: 7 }, SIGNER))).toBe("envelope.type");
  expect(open(sealed(), [newSigner("ed25519").publicKey])).toBe("document.signer");
  expect(open(sealed(), [])).toBe("document.signer");
  expect(open(sealed(), KEYS, new Date("2030-06-01T12:01:00Z"))).toBe("document.expired");
  expect(open(sealed(), KEYS, new Date("2030-06-01T11:58:29Z"))).toBe("document.not-yet-valid");
  expect(open(sealed(), KEYS, new Date("2030-06-01T11:58:31Z"))).toBe("accepted");
  expect(open(sealed({ extra: 1 }))).toBe("document.malformed");
  expect(open(sealed({ epoch: undefined }))).toBe("document.malformed");
  const canonical = JSON.stringify({
    epoch: 7,
    expiresAt: TIMES.expiresAt,
    issuedAt: TIMES.issuedAt,
    v: 1,
  });
  expect(open(raw(canonical))).toBe("accepted");
  expect(open(raw(` ${canonical}`))).toBe("json.not-canonical");
  expect(open(raw(canonical.replace('"v":1', '"v":2')))).toBe("document.version");
  expect(open(raw(canonical.replace(',"v":1', "")))).toBe("document.malformed");
});

test("openDocument() refuses a changed payload and a second signature", () => {
  const envelope = JSON.parse(Buffer.from(sealed()).toString()) as {
    payload: string;
    signatures: unknown[];
  };
  const open = (value: unknown) =>
    refusal(() => openDocument("fence", writeUtf8(JSON.stringify(value)), KEYS, NOW, read));
  const payload = Buffer.from(
    Buffer.from(envelope.payload, "base64").toString().replace("7", "8"),
  ).toString("base64");
  expect(open(envelope)).toBe("accepted");
  expect(open({ ...envelope, payload })).toBe("signature.invalid");
  expect(open({ ...envelope, signatures: [...envelope.signatures, ...envelope.signatures] })).toBe(
    "envelope.malformed",
  );
  expect(open({ ...envelope, signatures: [] })).toBe("envelope.malformed");
  expect(open({ ...envelope, more: 1 })).toBe("envelope.malformed");
});

test("sealDocument() refuses a body without its times, and one that no reader would accept", () => {
  expect(refusal(() => sealDocument("fence", { ...TIMES, epoch: 2 ** 53 - 1 }, SIGNER))).toBe(
    "accepted",
  );
  expect(refusal(() => sealDocument("fence", { ...TIMES, epoch: 2 ** 53 }, SIGNER))).toBe(
    "json.number",
  );
  expect(
    refusal(() => sealDocument("fence", { ...TIMES, expiresAt: TIMES.issuedAt }, SIGNER)),
  ).toBe("document.malformed");
  expect(refusal(() => sealDocument("fence", { ...TIMES, issuedAt: "yesterday" }, SIGNER))).toBe(
    "document.malformed",
  );
});
