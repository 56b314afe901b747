import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fixedClock } from "#platform";
import { idsOf } from "#contract";
import type { ProcessName, SelfCheckState } from "#contract";
import { mergeRuns, PostureDesk, RUN_FILES, runText, SelfChecks, sourceDigest } from "./index.ts";

const NOW = new Date("2030-06-01T12:00:00Z");
const CLOCK = fixedClock(NOW.toISOString());
const REFUSAL = "test/a.test.ts > refuses [LOAD-X]";
const TWIN = "test/a.test.ts > accepts [LOAD-X twin]";
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cai-posture-"));
  for (const folder of [
    "src",
    "native",
    "sdk",
    "extensions",
    "scripts",
    "test",
    "docs",
    "test-results",
  ])
    mkdirSync(join(root, folder));
  for (const file of ["package.json", "package-lock.json", "src/main.ts"])
    writeFileSync(join(root, file), "{}");
  const claim = {
    id: "LOAD-X",
    door: "load",
    sentence: "A thing is refused.",
    notClaimed: "",
    refusal: REFUSAL,
    twin: TWIN,
    selfChecks: ["trust.known-answer"],
  };
  writeFileSync(join(root, "docs/claims.json"), JSON.stringify({ v: 1, claims: [claim] }));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function keep(file: string, passed: readonly string[], failed: readonly string[] = []): void {
  const run = {
    source: sourceDigest(root),
    at: NOW,
    passed: new Set(passed),
    failed: new Set(failed),
  };
  writeFileSync(join(root, file), runText(run));
}

function checks(state: SelfCheckState = "on", clock = CLOCK): SelfChecks {
  const all = new SelfChecks(clock);
  for (const process of ["control", "gateway", "runner", "broker"] as const satisfies ProcessName[])
    all.report(
      process,
      process,
      idsOf(process).map((id) => ({ id, state, detail: "found" })),
    );
  return all;
}

function look(of = checks()) {
  const desk = new PostureDesk({ mode: "development", root, clock: CLOCK, checks: of });
  const line = desk.look().lines.find(({ id }) => id === "LOAD-X");
  return `${line?.label}: ${line?.why.join("; ")}`;
}

test("a claim is Enforced when its tests passed and its tooth bit on these sources, and the processes agree", () => {
  keep(RUN_FILES.tests, [REFUSAL, TWIN]);
  keep(RUN_FILES.teeth, ["LOAD-X"]);
  expect(look()).toBe("Enforced: ");
});

test("a claim is less without any one of them", () => {
  keep(RUN_FILES.tests, [REFUSAL, TWIN]);
  expect(look()).toContain("Partial / do-not-rely: its tooth was not run here");
  keep(RUN_FILES.teeth, [], ["LOAD-X"]);
  expect(look()).toContain("its tooth failed");
  keep(RUN_FILES.teeth, ["LOAD-X"]);
  keep(RUN_FILES.tests, [REFUSAL], [TWIN]);
  expect(look()).toContain("its accepting twin failed");
  keep(RUN_FILES.tests, [TWIN]);
  expect(look()).toContain("its refusal test was not run here");
  keep(RUN_FILES.tests, [REFUSAL, TWIN]);
  expect(look(checks("off"))).toContain("self-check trust.known-answer of runner: found");
  expect(look(checks("not-available"))).toContain("self-check trust.known-answer");
  expect(look(new SelfChecks(CLOCK))).toContain("no runner has reported");
});

test("a run of other sources says nothing: one byte of them is enough", () => {
  keep(RUN_FILES.tests, [REFUSAL, TWIN]);
  keep(RUN_FILES.teeth, ["LOAD-X"]);
  writeFileSync(join(root, "src/main.ts"), "{ }");
  expect(look()).toContain("its refusal test was not run here");
});

test("a run that cannot be read is no run", () => {
  keep(RUN_FILES.tests, [REFUSAL, TWIN]);
  writeFileSync(join(root, RUN_FILES.teeth), '{"v":1,"passed":["LOAD-X"]}');
  expect(look()).toContain("its tooth was not run here");
});

test("a test with a name of any length leaves the others their run", () => {
  keep(RUN_FILES.tests, [REFUSAL, TWIN, `parse.test.ts > parse() refuses ${"a".repeat(9_000)}`]);
  keep(RUN_FILES.teeth, ["LOAD-X"]);
  expect(look()).toBe("Enforced: ");
});

test("a report that is older than its time counts no more", () => {
  keep(RUN_FILES.tests, [REFUSAL, TWIN]);
  keep(RUN_FILES.teeth, ["LOAD-X"]);
  let now = NOW;
  const of = checks("on", { now: () => now });
  expect(look(of)).toBe("Enforced: ");
  now = new Date(NOW.getTime() + 30_001);
  expect(look(of)).toContain("the runner was not heard of lately");
});

test("mergeRuns() adds to a run of the same sources, lets the newer word hold, and forgets other sources", () => {
  const run = (source: string, passed: string[], failed: string[]) => ({
    source,
    at: NOW,
    passed: new Set(passed),
    failed: new Set(failed),
  });
  const merged = mergeRuns(run("a", ["1", "2"], ["3"]), run("a", ["3"], ["2"]));
  expect([[...merged.passed], [...merged.failed]]).toEqual([["1", "3"], ["2"]]);
  expect([...mergeRuns(run("a", ["1"], []), run("b", ["2"], [])).passed]).toEqual(["2"]);
});
