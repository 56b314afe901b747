import { join } from "node:path";
import { selfCheckTable } from "#contract";
import type { SelfCheckState } from "#contract";
import type { Clock } from "#platform";
import { readClaims } from "./claims-file.ts";
import type { ClaimRow } from "./claims-file.ts";
import { features } from "./features.ts";
import { labelClaim, labelFeature } from "./label.ts";
import type { Evidence, Labelled } from "./label.ts";
import type { CheckView, SelfChecks } from "./self-checks.ts";
import { sourceDigest } from "./source-digest.ts";
import { RUN_FILES, RunFile } from "./test-runs.ts";
import type { TestRun } from "./test-runs.ts";

/** One line of the posture: a claim or a feature, its label, where it is verified and when that was confirmed. */
export interface PostureLine extends Labelled {
  readonly id: string;
  readonly door: string;
  readonly sentence: string;
  readonly notClaimed: string;
  /** Tests, as `file > test`. */
  readonly verifiedIn: readonly string[];
  /** When the tests last passed on these very sources; null: not run here. */
  readonly confirmed: string | null;
}

export interface PostureCheck {
  readonly id: string;
  readonly process: string;
  readonly state: SelfCheckState;
  readonly need: "required" | "more";
  readonly meaning: string;
  readonly detail: string;
  readonly remedy: string;
  readonly at: string | null;
}

export interface Posture {
  readonly mode: string;
  readonly at: string;
  /** Digest of the sources that run here, 64 hex digits. */
  readonly source: string;
  readonly tests: string | null;
  readonly teeth: string | null;
  readonly lines: readonly PostureLine[];
  readonly checks: readonly PostureCheck[];
}

export interface PostureParts {
  /** How this Caisson is run. */
  readonly mode: string;
  /** The folder that holds src, docs and test-results. */
  readonly root: string;
  readonly clock: Clock;
  readonly checks: SelfChecks;
}

/** What this Caisson may say of itself: from the claims, the last runs of their tests on these sources, and live self-checks. */
export class PostureDesk {
  readonly #parts: PostureParts;
  readonly #tests: RunFile;
  readonly #teeth: RunFile;
  #source: string | null = null;
  #claims: readonly ClaimRow[] | null = null;

  constructor(parts: PostureParts) {
    this.#parts = parts;
    this.#tests = new RunFile(join(parts.root, RUN_FILES.tests));
    this.#teeth = new RunFile(join(parts.root, RUN_FILES.teeth));
  }

  get checks(): SelfChecks {
    return this.#parts.checks;
  }

  look(): Posture {
    const { root, clock, checks, mode } = this.#parts;
    // The sources that run are those of the start: a later change runs only after the next one.
    this.#source ??= sourceDigest(root);
    this.#claims ??= readClaims(join(root, "docs/claims.json"));
    const ofSource = (run: TestRun | null) => (run?.source === this.#source ? run : null);
    const evidence: Evidence = {
      tests: ofSource(this.#tests.read()),
      teeth: ofSource(this.#teeth.read()),
      checks: checks.all(),
    };
    return {
      mode,
      at: clock.now().toISOString(),
      source: this.#source,
      tests: instantOf(evidence.tests),
      teeth: instantOf(evidence.teeth),
      lines: linesOf(this.#claims, evidence, mode),
      checks: evidence.checks.map(checkOf),
    };
  }
}

function linesOf(rows: readonly ClaimRow[], evidence: Evidence, mode: string): PostureLine[] {
  const claims = rows.map((claim): PostureLine => {
    const { id, door, sentence, notClaimed, refusal, twin } = claim;
    const verifiedIn = [refusal, twin];
    const confirmed = confirmedAt(evidence.tests, verifiedIn);
    return {
      id,
      door,
      sentence,
      notClaimed,
      verifiedIn,
      confirmed,
      ...labelClaim(claim, evidence),
    };
  });
  const others = features
    .filter((feature) => (feature.mode ?? mode) === mode)
    .map((feature): PostureLine => {
      const { id, sentence, tests } = feature;
      const confirmed = tests.length === 0 ? null : confirmedAt(evidence.tests, tests);
      const line = { id, door: "other", sentence, notClaimed: "", verifiedIn: tests, confirmed };
      return { ...line, ...labelFeature(feature, evidence) };
    });
  return [...claims, ...others];
}

function confirmedAt(run: TestRun | null, names: readonly string[]): string | null {
  return run !== null && names.every((name) => run.passed.has(name)) ? instantOf(run) : null;
}

function instantOf(run: TestRun | null): string | null {
  return run?.at.toISOString() ?? null;
}

function checkOf({ id, process, state, detail, at }: CheckView): PostureCheck {
  const { need, meaning, remedy } = selfCheckTable[id];
  return { id, process, state, need, meaning, detail, remedy, at: at?.toISOString() ?? null };
}
