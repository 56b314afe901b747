import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { mergeRuns, readTestRun, runText, sourceDigest } from "../src/control/posture/index.ts";

/** Keeps what a run came to beside the sources, for `caisson posture`; not where the sources changed under it. */
export function keepRun(
  file: string,
  source: string,
  names: { readonly passed: readonly string[]; readonly failed: readonly string[] },
): void {
  if (sourceDigest(process.cwd()) !== source) return;
  const run = {
    source,
    at: new Date(),
    passed: new Set(names.passed),
    failed: new Set(names.failed),
  };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, runText(mergeRuns(readTestRun(file), run)));
}
