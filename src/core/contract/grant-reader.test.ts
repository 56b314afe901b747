import { createSigner, digestOf, documentTimes, newPrivateKey } from "#trust";
import { expect, test } from "vitest";
import { GrantReader } from "./grant-reader.ts";
import { sealGrant } from "./grant.ts";
import type { Grant } from "./grant.ts";
import { parseVersion } from "./names.ts";
import type { Version } from "./names.ts";

const UUID = "01a213b2-5e4b-70f6-820e-8ba63fd5972c";
const state = createSigner(newPrivateKey("ed25519"));
const [issued, expires] = [new Date("2026-11-01T00:00:00Z"), new Date("2026-11-02T00:00:00Z")];
const during = new Date("2026-11-01T12:00:00Z");
const grant: Grant = {
  tenant: UUID,
  install: UUID,
  extension: "acme.kept",
  version: parseVersion("1.0.0") as Version, // a version
  contentHash: digestOf("manifest", new Uint8Array()),
  capabilities: [],
  egress: [],
  config: {},
  limits: {
    memoryBytes: 65_536,
    deadlineMs: 1,
    fuel: 0,
    responseBytes: 0,
    logBytes: 0,
    logLines: 0,
    concurrency: 1,
  },
  trustClass: "shared",
  epoch: 1,
};
const document = sealGrant(grant, documentTimes(issued, expires), state);

test("GrantReader gives a grant that held again without another look at its signature", () => {
  const reader = new GrantReader(state.publicKey);
  const opened = reader.open(document, during);
  expect(opened.body).toEqual(grant);
  expect(reader.open(Uint8Array.from(document), during)).toBe(opened);
});

test("GrantReader judges the window of a grant each time", () => {
  const reader = new GrantReader(state.publicKey);
  reader.open(document, during);
  expect(() => reader.open(document, expires)).toThrow(/expired/);
  expect(() => reader.open(document, new Date("2026-10-01T00:00:00Z"))).toThrow(/issued/);
  expect(reader.open(document, during).body).toEqual(grant);
});

test("GrantReader remembers nothing of a grant that differs in one byte, or of another key", () => {
  const reader = new GrantReader(state.publicKey);
  reader.open(document, during);
  const changed = Uint8Array.from(document);
  changed[40] = (changed[40] ?? 0) ^ 1;
  for (let i = 0; i < 2; i++) expect(() => reader.open(changed, during)).toThrow();
  const other = new GrantReader(createSigner(newPrivateKey("ed25519")).publicKey);
  expect(() => other.open(document, during)).toThrow();
});
