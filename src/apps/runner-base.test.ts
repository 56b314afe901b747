import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EnvReader } from "#platform";
import { newPrivateKey } from "#trust";
import { selfSigned } from "../../test/fakes/certificate.ts";
import { localEdgeKinds, readRunnerBase } from "./runner-base.ts";

/** What the settings say; the refusal where they say nothing good. */
function read(env: Readonly<Record<string, string>>): unknown {
  const reader = new EnvReader(env);
  const base = readRunnerBase(reader);
  try {
    return reader.done(base);
  } catch (error) {
    return (error as Error).message;
  }
}

test("RUNNER_BASE_URL is this machine's sandbox unless told, or an https origin", () => {
  expect(read({})).toEqual({ kind: "unix", folder: null });
  expect(read({ RUNNER_BASE_URL: "unix:" })).toEqual({ kind: "unix", folder: null });
  expect(read({ RUNNER_BASE_URL: "unix:/run/caisson" })).toEqual({
    kind: "unix",
    folder: "/run/caisson",
  });
  for (const text of ["https://far.example:8704", "https://far.example:8704/"])
    expect(read({ RUNNER_BASE_URL: text })).toEqual({
      kind: "https",
      url: "https://far.example:8704",
      ca: null,
    });
});

test("RUNNER_BASE_URL that is anything else starts nothing", () => {
  for (const text of [
    "http://far.example",
    "https://far.example/path",
    "https://user@far.example",
    "https://",
    "unix:relative",
    "far.example:8704",
    "",
  ])
    expect(read({ RUNNER_BASE_URL: text }), text).toContain("RUNNER_BASE_URL: cannot read");
});

test("CAISSON_RUNNER_CA is a PEM file, and goes with a runner elsewhere alone", () => {
  const folder = mkdtempSync(join(tmpdir(), "cai-ca-"));
  const file = join(folder, "ca.pem");
  const now = Date.now();
  const pem = selfSigned(newPrivateKey("p256"), new Date(now - 1_000), new Date(now + 1_000), "a");
  writeFileSync(file, pem);
  const url = { RUNNER_BASE_URL: "https://far.example" };
  expect(read({ ...url, CAISSON_RUNNER_CA: file })).toMatchObject({ ca: pem });
  writeFileSync(file, "no certificate");
  expect(read({ ...url, CAISSON_RUNNER_CA: file })).toContain("CAISSON_RUNNER_CA: cannot read");
  expect(read({ CAISSON_RUNNER_CA: file })).toContain("goes with RUNNER_BASE_URL");
  rmSync(folder, { recursive: true });
});

test("a gateway whose runner is elsewhere needs neither runner nor broker beside it", () => {
  expect(localEdgeKinds({ kind: "unix", folder: null })).toEqual(["broker", "runner", "gateway"]);
  expect(localEdgeKinds({ kind: "https", url: "", ca: null })).toEqual(["gateway"]);
});
