import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "#platform";
import { createSigner, newPrivateKey } from "#trust";
import { selfSigned } from "../../../test/fakes/certificate.ts";
import { readEnrolment, writeEnrolment } from "./enrolment.ts";

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cai-enrol-"));
  path = join(folder, "runner.json");
});
afterAll(() => rmSync(folder, { recursive: true }));

const { publicKey } = createSigner(newPrivateKey("ed25519"));
const enrolment = {
  url: "https://control.example:8700",
  ca: selfSigned(newPrivateKey("p256"), new Date(0), new Date(9e12), "control.example"),
  edge: newId("edge"),
  stateKey: publicKey,
  trustRootKey: publicKey,
  edgeToken: "cse_token",
};

test("an enrolment is read as it was written, by its owner alone", async () => {
  await writeEnrolment(path, enrolment);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const read = await readEnrolment(path);
  expect(read.stateKey.keyId).toBe(publicKey.keyId);
  expect({ ...read, stateKey: publicKey, trustRootKey: publicKey }).toEqual(enrolment);
});

test("an enrolment leads to control over TLS, or on this machine", async () => {
  for (const url of ["http://127.0.0.1:8700", "http://[::1]:8700", "http://localhost:1"]) {
    await writeEnrolment(path, { ...enrolment, url, ca: null });
    expect((await readEnrolment(path)).url).toBe(url);
  }
  for (const url of [
    "http://control.example",
    "http://127.0.0.2.example",
    "ftp://127.0.0.1",
    "no",
  ]) {
    await writeEnrolment(path, { ...enrolment, url });
    await expect(readEnrolment(path), url).rejects.toMatchObject({ code: "enrolment.invalid" });
  }
});

test("an enrolment with a field missing, more or malformed is refused", async () => {
  const file = {
    ...enrolment,
    stateKey: publicKey.toPem(),
    trustRootKey: publicKey.toPem(),
  };
  for (const change of [
    { ca: "no certificate" },
    { ca: undefined },
    { edge: undefined },
    { edge: "far" },
    { more: 1 },
  ]) {
    writeFileSync(path, JSON.stringify({ ...file, ...change }));
    await expect(readEnrolment(path)).rejects.toMatchObject({ code: "enrolment.invalid" });
  }
});
