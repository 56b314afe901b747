import { randomBytes } from "node:crypto";
import { assert, property, string } from "fast-check";
import { expect, test } from "vitest";
import { jsonLog } from "./log.ts";
import { redactSecrets } from "./redact-secrets.ts";

const apiKey = `csk_${randomBytes(32).toString("base64url")}`;
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const jwt = `${part({ alg: "EdDSA" })}.${part({ sub: "somebody" })}.${randomBytes(64).toString("base64url")}`;
const pem = `-----BEGIN PRIVATE KEY-----\n${randomBytes(48).toString("base64")}\n-----END PRIVATE KEY-----`;

test.each([
  ["an API key", `key=${apiKey}.`, "key=[redacted:api-key]."],
  ["two API keys", `${apiKey} ${apiKey}`, "[redacted:api-key] [redacted:api-key]"],
  ["an edge's token", apiKey.replace("csk", "cse"), "[redacted:api-key]"],
  ["a header", "Authorization: Bearer abc", "Authorization: Bearer [redacted:credential]"],
  [
    "a header in JSON",
    '{"authorization":"Basic dXNlcg==","x":1}',
    '{"authorization":"Basic [redacted:credential]","x":1}',
  ],
  ["a bearer token", "got bearer 0123456789abcdefghij", "got bearer [redacted:credential]"],
  ["a private key", `a\n${pem}\nb`, "a\n[redacted:private-key]\nb"],
  ["a private key cut off", `a ${pem.slice(0, 60)}`, "a [redacted:private-key]"],
  ["an RSA key", pem.replaceAll("PRIVATE", "RSA PRIVATE"), "[redacted:private-key]"],
  ["a JSON web token", `token ${jwt}, next`, "token [redacted:jwt], next"],
  ["a JSON web token behind a point", `x.${jwt}`, "x.[redacted:jwt]"],
  ["an AWS key id", "id AKIAIOSFODNN7EXAMPLE", "id [redacted:aws-key]"],
  [
    "an AWS secret",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "aws_secret_access_key = [redacted:aws-key]",
  ],
])("redactSecrets() takes %s out", (_what, text, wanted) => {
  expect(redactSecrets(text)).toBe(wanted);
});

test.each([
  "csk_short",
  "the bearer of good news and internationalization",
  "authorization failed for somebody",
  "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
  "eyJust.eyJust.three short parts",
  "AKIAtoolittle",
  "AKIAIOSFODNN7EXAMPLEX",
  `sha256:${"0a".repeat(32)}`,
  "0191f0e2-7c00-7000-8000-000000000001",
])("redactSecrets() leaves %s", (text) => {
  expect(redactSecrets(text)).toBe(text);
});

test("redactSecrets() leaves any text without a mark as it is, and is stable", () => {
  assert(
    property(string({ maxLength: 300 }), (text) => {
      expect(redactSecrets(redactSecrets(text))).toBe(redactSecrets(text));
    }),
  );
});

test("redactSecrets() comes to an end with long texts that look like the beginning of many secrets", () => {
  for (const start of [
    "csk_",
    "eyJ",
    "eyJaaaaaaaaaa.",
    "AKIA",
    "authorization:",
    "authorization: bearer ",
    "bearer ",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ",
    "aws_secret_access_key=",
    "a.",
  ])
    expect(redactSecrets(start.repeat(Math.ceil(1_000_000 / start.length))).length).toBeLessThan(
      2_000_000,
    );
});

test("jsonLog() writes no field that looks like a secret", () => {
  const lines: string[] = [];
  jsonLog("test", (line) => lines.push(line)).error("failed", { reason: `refused ${apiKey}` });
  expect(lines.join("")).not.toContain(apiKey);
  expect(lines.join("")).toContain("refused [redacted:api-key]");
});

test("jsonLog() writes fields that do not", () => {
  const lines: string[] = [];
  jsonLog("test", (line) => lines.push(line)).error("failed", { reason: "refused csk_", n: 1 });
  expect(JSON.parse(lines.join(""))).toMatchObject({ reason: "refused csk_", n: 1 });
});
