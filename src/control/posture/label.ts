import type { ClaimRow } from "./claims-file.ts";
import type { Feature } from "./features.ts";
import type { CheckView } from "./self-checks.ts";
import type { TestRun } from "./test-runs.ts";

/** Interfaces §4, posture label. */
export const postureLabels = ["Enforced", "Shipped", "Beta", "Partial / do-not-rely"] as const;
export type PostureLabel = (typeof postureLabels)[number];

export interface Labelled {
  readonly label: PostureLabel;
  /** Why it is no better; empty where it is Enforced. */
  readonly why: readonly string[];
}

/** What labels are given by: the runs of these very sources (null: none here), and what the processes say of themselves. */
export interface Evidence {
  readonly tests: TestRun | null;
  readonly teeth: TestRun | null;
  readonly checks: readonly CheckView[];
}

/** Enforced: refusal test and twin passed, the tooth bites, and the running processes agree. Anything less is Partial. */
export function labelClaim(claim: ClaimRow, { tests, teeth, checks }: Evidence): Labelled {
  const why = [
    ...ran(tests, claim.refusal, "its refusal test", "npm test"),
    ...ran(tests, claim.twin, "its accepting twin", "npm test"),
    ...ran(teeth, claim.id, "its tooth", "npm run test:teeth"),
    ...claim.selfChecks.flatMap((id) =>
      checks
        .filter((check) => check.id === id && check.state !== "on")
        .map(({ process, detail }) => `self-check ${id} of ${process}: ${detail}`),
    ),
  ];
  return { label: why.length === 0 ? "Enforced" : "Partial / do-not-rely", why };
}

/** What is no refusal has a ceiling of its own; its tests hold it there. */
export function labelFeature({ label, why, tests: names }: Feature, { tests }: Evidence): Labelled {
  const missing = names.flatMap((name) => ran(tests, name, `"${name}"`, "npm test"));
  if (missing.length === 0) return { label, why: [why] };
  return { label: "Partial / do-not-rely", why: [why, ...missing] };
}

function ran(run: TestRun | null, name: string, what: string, command: string): string[] {
  if (run === null) return [`${what} was not run here: ${command}`];
  if (run.failed.has(name)) return [`${what} failed`];
  return run.passed.has(name) ? [] : [`${what} was not run here: ${command}`];
}
