import { canonicalJson, digestOf } from "#trust";
import type { JsonValue, Sha256Digest } from "#trust";

export const doors = ["publish", "install", "load"] as const;
export type Door = (typeof doors)[number];
export type Outcome = "allow" | "ask" | "deny";

export interface Reason {
  readonly step: string;
  readonly code: string;
  readonly outcome: Outcome;
  readonly detail: string;
  readonly children: readonly Reason[];
}

/** What a door judged with; an input that it does not use is null (interfaces §2). */
export interface VerdictInputs {
  readonly policy: string | null;
  readonly trustRoot: string | null;
  readonly checkpoint: string | null;
  readonly fenceEpoch: number;
  readonly feeds: Readonly<Record<string, never>>;
}

export interface Verdict {
  readonly v: 1;
  readonly door: Door;
  readonly outcome: Outcome;
  readonly subject: string;
  readonly at: string;
  readonly inputs: VerdictInputs;
  readonly reasons: readonly Reason[];
}

const WEIGHT: Readonly<Record<Outcome, number>> = { allow: 0, ask: 1, deny: 2 };

/** deny > ask > allow; nothing judged is a denial. */
export function combine(reasons: readonly Reason[]): Outcome {
  if (reasons.length === 0) return "deny";
  return reasons.reduce<Outcome>(
    (worst, reason) => (WEIGHT[reason.outcome] > WEIGHT[worst] ? reason.outcome : worst),
    "allow",
  );
}

export function allow(
  step: string,
  code: string,
  detail: string,
  children: readonly Reason[] = [],
): Reason {
  return { step, code, outcome: "allow", detail, children };
}

export function deny(
  step: string,
  code: string,
  detail: string,
  children: readonly Reason[] = [],
): Reason {
  return { step, code, outcome: "deny", detail, children };
}

/** A step whose outcome is that of its parts. */
export function group(
  step: string,
  code: string,
  detail: string,
  children: readonly Reason[],
): Reason {
  return { step, code, outcome: combine(children), detail, children };
}

export function verdictOf(
  door: Door,
  subject: string,
  at: Date,
  inputs: VerdictInputs,
  reasons: readonly Reason[],
): Verdict {
  return { v: 1, door, outcome: combine(reasons), subject, at: at.toISOString(), inputs, reasons };
}

export function verdictBytes(verdict: Verdict): Uint8Array {
  return canonicalJson(verdict as unknown as JsonValue); // plain JSON by construction: strings, numbers, null, arrays, records
}

/** A verdict's id is its digest. */
export function verdictId(verdict: Verdict): Sha256Digest {
  return digestOf("document", verdictBytes(verdict));
}

/** The codes of all denials, outermost first, without duplicates. */
export function denialCodes(reasons: readonly Reason[]): string[] {
  const codes = reasons.flatMap((reason) =>
    reason.outcome === "deny" ? [...denialCodes(reason.children), reason.code] : [],
  );
  return [...new Set(codes)];
}
