import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Claim } from "../claims/claim.ts";

const CLAIM_MS = 240_000;

export interface TestOutcome {
  readonly status: string;
  /** First lines of what made it fail. */
  readonly failures: readonly string[];
}

export interface ClaimOutcome {
  readonly refusal: TestOutcome;
  readonly twin: TestOutcome;
  /** Last lines of the run, for people. */
  readonly output: string;
}

interface Report {
  readonly testResults: readonly {
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/** Runs the two tests of a claim, and no other, in the tree at `root` with the executables in `nativeFolder`. */
export async function runClaimTests(
  root: string,
  claim: Claim,
  nativeFolder: string,
): Promise<ClaimOutcome> {
  const report = join(root, `report-${claim.id}.json`);
  const args = [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    claim.tests,
    "--testNamePattern",
    `\\[${claim.id}( twin)?\\]$`,
    "--reporter=json",
    `--outputFile=${report}`,
  ];
  const output = await finish(args, root, nativeFolder);
  const results = readReport(report);
  const find = (ending: string): TestOutcome => {
    const found = results.find(({ title }) => title.endsWith(ending));
    return {
      status: found?.status ?? "not run",
      failures: (found?.failureMessages ?? []).map((text) => text.split("\n")[0] ?? ""),
    };
  };
  return { refusal: find(`[${claim.id}]`), twin: find(`[${claim.id} twin]`), output };
}

function readReport(path: string): Report["testResults"][number]["assertionResults"] {
  try {
    const { testResults } = JSON.parse(readFileSync(path, "utf8")) as Report; // vitest's own format
    rmSync(path);
    return testResults.flatMap(({ assertionResults }) => assertionResults);
  } catch {
    return [];
  }
}

function finish(args: readonly string[], root: string, nativeFolder: string): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...process.env, CAISSON_NATIVE_DIR: nativeFolder },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: CLAIM_MS,
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream
        .setEncoding("utf8")
        .on("data", (chunk: string) => (text = (text + chunk).slice(-4_000)));
    child.on("close", () => resolve(text));
  });
}
