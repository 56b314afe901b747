import { expect, test } from "vitest";

import { verifyRelease } from "../../src/core/trust/index.ts";
import { goodRelease, seededRandom } from "../fakes/releases.ts";
import type { KeyName } from "../fakes/releases.ts";
import { mutate } from "./mutate.ts";
import { oracleRefusal } from "./oracle.ts";

/** Why we refuse what sigstore-js accepts, by the first code that denies. */
const STRICTER: Readonly<Record<string, string>> = {
  "json.duplicate-key": "the oracle takes the last of two equal names",
  "json.syntax": "the oracle reads through a replacement character",
  "utf8.malformed": "the oracle replaces bytes that are no UTF-8",
  "bundle.malformed":
    "closed objects, one base64 spelling, plain decimal integers, no field of another type, hint = key id",
  "bundle.unsupported":
    "the oracle takes the material of version 0.3 under the name of another version",
  "log.inclusion": "the oracle ignores copies of size and root that differ from the checkpoint",
  "log.checkpoint":
    "the oracle skips signature lines that are not of the form, and reads sloppy base64",
  "log.entry-mismatch": "the oracle reads an integrated time that nothing signs",
  "statement.type": "the oracle does not read the statement",
};

const RUNS: readonly (readonly [seed: number, key: KeyName, count: number])[] = [
  [1, "p256", 1_200],
  [2, "p256", 1_200],
  [3, "rsa2048", 600],
];

test("the oracle accepts a bundle that completeBundle() made, and refuses it without its log entry", () => {
  for (const name of ["p256", "rsa2048"] as const) {
    const { completed, pushed, signer, log } = goodRelease({}, name);
    expect(oracleRefusal(completed, signer.publicKey, log.key)).toBe(null);
    expect(oracleRefusal(pushed, signer.publicKey, log.key)).toMatch(/tlog entries/);
  }
});

test("the oracle compares SHA-256 alone, so that a P-384 entry with its SHA-384 digest is the one bundle it refuses and we accept", () => {
  const { completed, signer, log, question } = goodRelease({}, "p384");
  expect(oracleRefusal(completed, signer.publicKey, log.key)).toMatch(/digest mismatch/);
  expect(verifyRelease(question).ok).toBe(true);
});

for (const [seed, key, count] of RUNS) {
  test(`verifyRelease() accepts no mutated bundle that sigstore-js refuses, and says why where it is stricter (seed ${seed}, ${key}, ${count} bundles)`, () => {
    const [release, donor] = [goodRelease({}, key), goodRelease({}, key)];
    const random = seededRandom(seed);
    const unexplained: string[] = [];
    for (let run = 0; run < count; run++) {
      const bundleBytes = mutate(release.completed, donor.completed, random);
      const ours = verifyRelease({ ...release.question, bundleBytes });
      const oracle = oracleRefusal(bundleBytes, release.signer.publicKey, release.log.key);
      const denial = ours.steps.find((step) => step.outcome === "deny");
      if (oracle !== null && ours.ok)
        unexplained.push(`run ${run}: accepted, the oracle says ${oracle}`);
      if (oracle === null && denial !== undefined && STRICTER[denial.code] === undefined)
        unexplained.push(`run ${run}: ${denial.code} without a written reason`);
    }
    expect(unexplained).toEqual([]);
  });
}
