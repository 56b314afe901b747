import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

const common = { door: "api", tests: "test/attack/posture.test.ts" } as const;

/** Checks of what Caisson says of itself. */
export const postureClaims: readonly Claim[] = [
  {
    ...common,
    id: "POSTURE-LIVE",
    sentence: "No claim is called Enforced while a live self-check that it rests on is not on.",
    attacker: "an operator's mistake: a change of the running system after the tests passed",
    notClaimed: "A process that was taken over reports what its holder wants.",
    tooth: [
      edit(
        "src/control/posture/label.ts",
        'check.id === id && check.state !== "on"',
        'check.id === id && check.state === "not-available"',
      ),
    ],
  },
  {
    ...common,
    id: "POSTURE-EDGE",
    sentence: "An edge reports self-checks of its own kind of process alone.",
    attacker: "the holder of one edge's token",
    tooth: [
      edit(
        "src/core/contract/self-checks.ts",
        "idsOf(of)),",
        "[...idsOf(of), ...Object.keys(selfCheckTable)] as SelfCheckId[]),",
      ),
    ],
  },
];
