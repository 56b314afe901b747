import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

const METRICS = "src/edge/runner/guest-metrics.ts";
const common = {
  door: "call",
  attacker: "an extension with the capability metrics",
  tests: "test/attack/metrics.test.ts",
} as const;

/** What extensions may put into the operator's monitoring. */
export const metricsClaims: readonly Claim[] = [
  {
    ...common,
    id: "METRICS-SERIES",
    sentence:
      "An install makes at most 256 series; every point on top is counted under _overflow, one series a name.",
    tooth: [
      edit(
        METRICS,
        "const isFull = held.series.size >= limits.metricSeries.value;",
        "const isFull = held.series.size >= 2 * limits.metricSeries.value;",
      ),
    ],
  },
  {
    ...common,
    id: "METRICS-DECLARED",
    sentence:
      "A point is taken only under a name, kind and number of labels that the signed config declares, and only with a number that the kind allows.",
    tooth: [
      edit(METRICS, "instrument.kind !== KINDS[kind] ||", ""),
      edit(METRICS, "if (!Number.isFinite(value) ||", "if (value === Infinity ||"),
    ],
  },
  {
    ...common,
    id: "METRICS-TEXT",
    sentence: "No label value ends its label or begins a line of its own.",
    tooth: [edit(METRICS, `.replaceAll('"', '\\\\"')`, "")],
  },
];
