import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nativePaths } from "../../scripts/native.mjs";
import { RUN_FILES, sourceDigest } from "../../src/control/posture/index.ts";
import { keepRun } from "../keep-run.ts";
import { claims } from "../claims.ts";
import type { Claim } from "../claims/claim.ts";
import { buildMutated, isNative } from "./native-teeth.ts";
import { runClaimTests } from "./run-claim-tests.ts";
import type { ClaimOutcome } from "./run-claim-tests.ts";
import { ScratchTree } from "./scratch-tree.ts";

const CLONE = fileURLToPath(new URL("../..", import.meta.url));
const WORKERS = 2;
const HELP = `npm run test:teeth [-- --only ID[,ID…]]
takes the check of each claim out of a copy of the sources; its refusal test must turn red and its twin stay green
`;

async function main(): Promise<void> {
  if (process.argv.includes("--help")) return void process.stdout.write(HELP);
  const chosen = choose(process.argv.slice(2));
  const source = sourceDigest(CLONE);
  const sound = dirname(nativePaths().sandbox);
  const native = chosen.filter(isNative);
  const mutated = native.length === 0 ? sound : await buildMutated(CLONE, native);
  const queue = [...chosen];
  const failed: string[] = [];
  const work = async () => {
    using tree = new ScratchTree(CLONE);
    for (let claim = queue.shift(); claim !== undefined; claim = queue.shift())
      if (!(await bites(tree, claim, isNative(claim) ? mutated : sound))) failed.push(claim.id);
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  process.stdout.write(
    `${chosen.length - failed.length} passed, ${failed.length} failed, 0 skipped\n`,
  );
  if (failed.length > 0) process.exitCode = 1;
  const passed = chosen.map(({ id }) => id).filter((id) => !failed.includes(id));
  keepRun(RUN_FILES.teeth, source, { passed, failed });
}

function choose(args: readonly string[]): readonly Claim[] {
  const at = args.indexOf("--only");
  if (at < 0) return claims;
  const wanted = (args[at + 1] ?? "").split(",");
  const unknown = wanted.filter((id) => !claims.some((claim) => claim.id === id));
  if (unknown.length > 0) throw new Error(`no claim is called ${unknown.join(", ")}`);
  return claims.filter(({ id }) => wanted.includes(id));
}

async function bites(tree: ScratchTree, claim: Claim, nativeFolder: string): Promise<boolean> {
  const edits = claim.tooth.filter(({ file }) => !file.startsWith("native/"));
  const outcome = await tree
    .with(edits, () => runClaimTests(tree.root, claim, nativeFolder))
    .catch((error: unknown) => notRun(String(error)));
  const problem = problemOf(outcome);
  process.stdout.write(
    problem === null
      ? `bites ${claim.id}: ${outcome.refusal.failures[0] ?? ""}\n`
      : `FAILS ${claim.id}: ${problem}\n${outcome.output}\n`,
  );
  return problem === null;
}

/** A tooth that does not fit its source fails its own claim, not the run. */
function notRun(output: string): ClaimOutcome {
  const nothing = { status: "not run", failures: [] };
  return { refusal: nothing, twin: nothing, output };
}

/** Red for an assertion, and only the refusal: a test that could not run shows nothing. */
function problemOf({ refusal, twin }: ClaimOutcome): string | null {
  if (twin.status !== "passed") return `the twin is ${twin.status}: ${twin.failures.join("; ")}`;
  if (refusal.status !== "failed") return `the refusal test is ${refusal.status}`;
  const other = refusal.failures.find((text) => !text.startsWith("AssertionError"));
  return other === undefined ? null : `the refusal test did not fail by an assertion: ${other}`;
}

process.chdir(join(CLONE));
await main();
