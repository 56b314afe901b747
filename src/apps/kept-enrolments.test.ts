import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeEnrolment } from "#link";
import { newId } from "#platform";
import { createSigner, newPrivateKey } from "#trust";
import { keptEnrolments } from "./kept-enrolments.ts";

const URL_OF_CONTROL = "http://127.0.0.1:8700";
const EDGES = ["broker", "runner", "gateway"];
let data: string;

beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), "cai-kept-"));
  mkdirSync(join(data, "edge"));
  for (const edge of EDGES) await enrol(edge, URL_OF_CONTROL);
});
afterEach(() => rmSync(data, { recursive: true }));

async function enrol(edge: string, url: string): Promise<void> {
  const { publicKey } = createSigner(newPrivateKey("ed25519"));
  await writeEnrolment(join(data, `edge/${edge}.json`), {
    url,
    ca: null,
    edge: newId("edge"),
    stateKey: publicKey,
    trustRootKey: publicKey,
    edgeToken: `token of ${edge}`,
  });
}

test("the files of a former start at the same address are kept, and any change shows", async () => {
  const kept = await keptEnrolments(data, URL_OF_CONTROL, EDGES);
  for (const edge of EDGES) expect(kept).toContain(`token of ${edge}`);
  expect(await keptEnrolments(data, URL_OF_CONTROL, EDGES)).toBe(kept);
  await enrol("runner", URL_OF_CONTROL);
  expect(await keptEnrolments(data, URL_OF_CONTROL, EDGES)).not.toBe(kept);
});

test("one file that names another address, is malformed or is not there: none is kept", async () => {
  await enrol("runner", "http://127.0.0.1:8800");
  expect(await keptEnrolments(data, URL_OF_CONTROL, EDGES)).toBeNull();
  writeFileSync(join(data, "edge/runner.json"), "{");
  expect(await keptEnrolments(data, URL_OF_CONTROL, EDGES)).toBeNull();
  rmSync(join(data, "edge/runner.json"));
  expect(await keptEnrolments(data, URL_OF_CONTROL, EDGES)).toBeNull();
});
