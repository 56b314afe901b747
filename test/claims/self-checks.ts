import type { SelfCheckId } from "../../src/core/contract/index.ts";

/** Which live self-checks a claim rests on, by the beginning of its id; the longest that fits counts. */
const BY_PREFIX: Readonly<Record<string, readonly SelfCheckId[]>> = {
  PUBLISH: ["trust.known-answer", "store.row-security"],
  INSTALL: ["trust.known-answer", "store.row-security"],
  LOAD: ["trust.known-answer"],
  INSTANCE: ["trust.known-answer", "sandbox.seccomp"],
  PUSH: ["api.known-answer"],
  BUILD: ["trust.known-answer"],
  CALL: ["gateway.known-answer"],
  GUEST: ["sandbox.landlock", "sandbox.seccomp", "sandbox.no-new-privileges", "sandbox.undumpable"],
  SANDBOX: [
    "sandbox.landlock",
    "sandbox.seccomp",
    "sandbox.no-new-privileges",
    "sandbox.undumpable",
  ],
  HANDLE: ["sandbox.seccomp"],
  QUEUE: ["sandbox.seccomp"],
  LADDER: ["sandbox.seccomp"],
  SNAPSHOT: ["gateway.known-answer", "fence.in-force"],
  EDGE: ["api.known-answer", "fence.in-force"],
  EXECUTE: ["trust.known-answer", "fence.in-force"],
  FENCE: ["fence.acknowledged", "fence.in-force"],
  EGRESS: ["egress.known-answer"],
  BROKER: ["egress.known-answer", "fence.in-force"],
  KV: ["store.row-security"],
  CONFIG: ["trust.known-answer", "store.row-security"],
  LOG: ["gateway.known-answer"],
  METRICS: ["sandbox.seccomp"],
  EVIDENCE: ["trust.known-answer"],
  MODE: ["keys.files"],
  POSTURE: ["api.known-answer"],
  API: ["api.known-answer", "store.row-security"],
};

export function selfChecksOf(id: string): readonly SelfCheckId[] {
  const [prefix] = Object.keys(BY_PREFIX)
    .filter((known) => id === known || id.startsWith(`${known}-`))
    .toSorted((a, b) => b.length - a.length);
  return prefix === undefined ? [] : (BY_PREFIX[prefix] ?? []);
}
