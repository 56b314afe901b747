import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

const JUDGE = "src/core/policy/judge-instances.ts";
const DOOR = "src/control/registry/publish-door.ts";
const PUBLISHER = "a publisher whose toolchain froze its generator when the component was made";
const common = { door: "publish", tests: "test/attack/instances.test.ts" } as const;

export const instanceClaims: readonly Claim[] = [
  {
    ...common,
    id: "INSTANCE-ALIKE",
    sentence:
      "A component that brings a known JavaScript engine and whose two fresh instances draw the same numbers is not admitted; a runner tries them.",
    attacker: PUBLISHER,
    tooth: [edit(JUDGE, "if (alike.length > 0)", "if (alike.length > 99)")],
  },
  {
    ...common,
    id: "INSTANCE-SAMPLES",
    sentence:
      "A component that brings a known JavaScript engine and gives a runner no samples of what its instances draw is not admitted.",
    attacker: PUBLISHER,
    tooth: [
      edit(
        JUDGE,
        "if (first === null || second === null)",
        'if (first === null || second === null) return allow(STEP, "", "");\n  if (first === second)',
      ),
    ],
  },
  {
    ...common,
    id: "INSTANCE-UNRUN",
    sentence: "Such a component is not admitted while no runner has tried it.",
    attacker: "whoever keeps the runners away",
    tooth: [
      edit(
        JUDGE,
        "if (trial === null)",
        'if (trial === null) return allow(STEP, "", "");\n  if (engine === "")',
      ),
    ],
  },
  {
    ...common,
    id: "INSTANCE-PROVEN",
    sentence: "An artifact that any other step of the publish door refuses is not run to be tried.",
    attacker: "someone with push rights and no signing key",
    tooth: [edit(DOOR, 'if (verdict.outcome === "allow" && history', "if (history")],
  },
  {
    ...common,
    id: "INSTANCE-RUNNER",
    sentence: "Only a runner is asked to try instances, and only a runner answers.",
    attacker: "whoever holds the token of another edge",
    tooth: [
      edit(
        "src/core/policy/authorize.ts",
        'gateway: ["execute:credential"],',
        'gateway: ["execute:credential", "instance:try"],',
      ),
    ],
  },
];
