import * as fc from "fast-check";
import { expect, test } from "vitest";

import { refusal } from "../../../test/fakes/refusal.ts";
import { quote } from "./coded-error.ts";
import { parseDigest } from "./digest.ts";
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from "./encodings.ts";
import { parseInstant } from "./instant.ts";

test("decodeBase64() and decodeHex() read back any bytes, and accept one spelling only", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(decodeBase64(encodeBase64(bytes), { maxBytes: 300 })).toEqual(bytes);
      expect(decodeHex(encodeHex(bytes))).toEqual(bytes);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."AQZaz09+/=-_* \n") }), (text) => {
      if (refusal(() => decodeBase64(text, { maxBytes: 99 })) === "accepted")
        expect(encodeBase64(decodeBase64(text, { maxBytes: 99 }))).toBe(text);
    }),
    { numRuns: 1_000 },
  );
});

test("decodeBase64() refuses other letters, dirty pad bits, missing padding and too much", () => {
  expect(refusal(() => decodeBase64("YWJjZA==", { maxBytes: 4 }))).toBe("accepted");
  for (const text of [
    "YWJj*ZGVm",
    "YWJjZE==",
    "YWJjZA",
    "YWJjZA=",
    "YW Jj",
    "-_-_",
    "YQ==YQ==",
    "YWJjZGU=",
  ])
    expect([text, refusal(() => decodeBase64(text, { maxBytes: 4 }))]).toEqual([
      text,
      "base64.malformed",
    ]);
});

test("decodeHex() and parseDigest() refuse what a lenient decoder cuts short", () => {
  for (const text of ["abzz12", "abc", "AB", " ab"])
    expect(refusal(() => decodeHex(text))).toBe("hex.malformed");
  const digest = `sha256:${"a".repeat(64)}`;
  expect(refusal(() => parseDigest("file", digest))).toBe("accepted");
  for (const text of [
    digest.toUpperCase(),
    digest.slice(0, -1),
    `${digest}a`,
    `${digest}\n`,
    "a".repeat(64),
    `sha512:${"a".repeat(64)}`,
  ])
    expect(refusal(() => parseDigest("file", text))).toBe("digest.malformed");
});

test("parseInstant() accepts UTC of real days alone", () => {
  expect(parseInstant("2024-02-29T23:59:59Z").getTime()).toBe(Date.UTC(2024, 1, 29, 23, 59, 59));
  for (const text of [
    "2023-02-29T00:00:00Z",
    "2024-01-01T00:00:00+00:00",
    "2024-01-01",
    "2024-01-01T24:00:00Z",
    "2024-01-01t00:00:00z",
    "1e3",
  ])
    expect(refusal(() => parseInstant(text))).toBe("instant.malformed");
});

test("quote() escapes what could forge a line or hide text, and cuts", () => {
  expect(quote("a\nb\u202e\u0000")).toBe(String.raw`"a\nb\u{202e}\u0000"`);
  expect(quote("x".repeat(200))).toHaveLength(99);
  expect(quote(undefined)).toBe('"undefined"');
});
