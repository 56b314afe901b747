import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { features } from "../src/control/posture/index.ts";
import { claims } from "./claims.ts";
import { selfChecksOf } from "./claims/self-checks.ts";
import { claimTests } from "./claims/claim-tests.ts";

const tests = claimTests();

test("every claim has one refusal test and one accepting twin, where it says", () => {
  for (const { id, tests: file } of claims)
    for (const twin of [false, true]) {
      const found = tests.filter((one) => one.id === id && one.twin === twin);
      expect(
        found.map((one) => one.file),
        `${id}${twin ? " twin" : ""}`,
      ).toEqual([file]);
    }
});

test("every test that names a claim has its claim", () => {
  const known = new Set(claims.map(({ id }) => id));
  expect(tests.filter(({ id }) => !known.has(id))).toEqual([]);
  expect(known.size).toBe(claims.length);
});

test("every claim rests on a live self-check", () => {
  expect(claims.filter(({ id }) => selfChecksOf(id).length === 0)).toEqual([]);
});

test("every test that a feature of the posture names is there", () => {
  for (const { tests: names } of features)
    for (const name of names) {
      const [file = "", title = ""] = name.split(" > ");
      expect(readFileSync(file, "utf8"), name).toContain(`"${title}"`);
    }
});

test("every tooth takes out source that stands exactly once in its file", () => {
  for (const { id, tooth } of claims) {
    expect(tooth.length, id).toBeGreaterThan(0);
    for (const { file, find, replace } of tooth) {
      expect(readFileSync(file, "utf8").split(find).length - 1, `${id}: ${file}: ${find}`).toBe(1);
      expect(replace, id).not.toBe(find);
    }
  }
});

test("no tooth is a switch of the product: every one edits a source file", () => {
  const files = claims.flatMap(({ tooth }) => tooth.map(({ file }) => file));
  expect(files.filter((file) => !/^(?:src|native|sdk)\/.*\.(?:ts|rs)$/.test(file))).toEqual([]);
});
