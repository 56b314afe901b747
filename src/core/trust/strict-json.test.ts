import * as fc from "fast-check";
import { expect, test } from "vitest";

import { refusal } from "../../../test/fakes/refusal.ts";
import { canonicalJson } from "./canonical-json.ts";
import { writeUtf8 } from "./encodings.ts";
import { parseStrictJson } from "./strict-json.ts";

const parse = (text: string | Uint8Array, maxBytes = 100_000) =>
  parseStrictJson(typeof text === "string" ? writeUtf8(text) : text, { maxBytes });

/** Integers are spelt without an exponent below 1e21: those beyond 2^53 − 1 are refused, and left out here. */
function numbersOf(value: unknown): number[] {
  if (typeof value === "number") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(numbersOf) : [];
}

test("parseStrictJson() gives what JSON.parse gives for any I-JSON value", () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ noUnicodeString: false }),
      fc.constantFrom(undefined, 1, "\t"),
      (value, space) => {
        const text = JSON.stringify(value, null, space);
        fc.pre(!text.includes('"__proto__"') && text.isWellFormed() && !/\\ud[89a-f]/i.test(text));
        fc.pre(
          numbersOf(value).every(
            (number) =>
              Number.isSafeInteger(number) || !Number.isInteger(number) || Math.abs(number) >= 1e21,
          ),
        );
        expect(parse(text)).toEqual(JSON.parse(text));
      },
    ),
  );
});

test("parseStrictJson() never throws anything but a coded error, whatever the bytes", () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string().map(writeUtf8),
    fc.json().map((text) => writeUtf8(text.slice(1))),
  );
  fc.assert(
    fc.property(noise, (bytes) => void refusal(() => parse(bytes))),
    { numRuns: 2_000 },
  );
});

test("parseStrictJson() refuses what two readers would read differently", () => {
  const cases: readonly (readonly [string | Uint8Array, string])[] = [
    ['{"a":1,"a":2}', "json.duplicate-key"],
    ['{"a":1,"\\u0061":2}', "json.duplicate-key"],
    ['{"__proto__":{}}', "json.forbidden-key"],
    ['{"\\u005f_proto__":{}}', "json.forbidden-key"],
    ["9007199254740993", "json.number"],
    ["-9007199254740992", "json.number"],
    ["1e400", "json.number"],
    ['"\\ud800"', "json.surrogate"],
    ['"\\udc00\\ud800"', "json.surrogate"],
    ["\ufeff1", "json.syntax"],
    ["1 2", "json.syntax"],
    ["01", "json.syntax"],
    ["+1", "json.syntax"],
    [".5", "json.syntax"],
    ["NaN", "json.syntax"],
    ["[1,]", "json.syntax"],
    ["{'a':1}", "json.syntax"],
    ['"\n"', "json.syntax"],
    ['"\\x"', "json.syntax"],
    ["", "json.syntax"],
    [Uint8Array.of(0x22, 0xff, 0x22), "utf8.malformed"],
    [Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), "utf8.malformed"],
  ];
  for (const [text, code] of cases)
    expect([text, refusal(() => parse(text))]).toEqual([text, code]);
});

test("parseStrictJson() accepts the twins of those", () => {
  for (const text of [
    '{"a":1,"A":2}',
    '{"constructor":1,"toString":2}',
    "9007199254740991",
    "1e30",
    '"\\ud83d\\ude00"',
    "-0.5e-3",
    " [1 , 2 ]\n",
  ])
    expect(parse(text)).toEqual(JSON.parse(text));
});

test("parseStrictJson() bounds depth and size before it builds anything", () => {
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  expect(refusal(() => parse(nested(64)))).toBe("accepted");
  expect(refusal(() => parse(nested(65)))).toBe("json.too-deep");
  expect(refusal(() => parse(nested(50_000)))).toBe("json.too-deep");
  expect(refusal(() => parse("[1]", 3))).toBe("accepted");
  expect(refusal(() => parse("[1 ]", 3))).toBe("json.too-large");
});

test("canonicalJson() sorts, has one spelling and refuses what has none", () => {
  expect(Buffer.from(canonicalJson({ b: 1, a: [1.0, "é"] })).toString()).toBe(
    '{"a":[1,"é"],"b":1}',
  );
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, "\ud800"])
    expect(refusal(() => canonicalJson(value))).toBe("json.not-canonical");
});
