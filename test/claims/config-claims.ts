import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

const JUDGE = "src/core/policy/judge-config.ts";
const common = { door: "install", tests: "test/attack/config.test.ts" } as const;

/** What tenants set for extensions at install. */
export const configClaims: readonly Claim[] = [
  {
    ...common,
    door: "call",
    id: "CONFIG-TENANT",
    sentence: "A guest sees the values that its own tenant set, never those of another install.",
    attacker: "a tenant with an extension that another tenant has too",
    notClaimed:
      "Values are no secrets: they stand in the signed grant, which control and the edges keep.",
    tooth: [
      edit(
        "src/edge/runner/grant-keeper.ts",
        "config: values,",
        "config: [...this.#held.values()].find((other) => other.load.id === load.id)?.values ?? values,",
      ),
    ],
  },
  {
    ...common,
    id: "CONFIG-DECLARED",
    sentence: "Install and load refuse to set a name that the signed config does not declare.",
    attacker: "a tenant that sets what nobody reads, or whoever holds the key that signs grants",
    tooth: [edit(JUDGE, "if (unknown.length > 0)", "if (unknown.length < 0)")],
  },
  {
    ...common,
    id: "CONFIG-REQUIRED",
    sentence: "Install refuses to do without a value that the signed config requires.",
    attacker: "a tenant that forgets it",
    tooth: [edit(JUDGE, "if (missing.length > 0)", "if (missing.length < 0)")],
  },
  {
    ...common,
    id: "CONFIG-BOUNDS",
    sentence: "Install refuses values over their bounds in bytes, one and all together.",
    attacker: "a tenant that makes every snapshot large",
    tooth: [
      edit(JUDGE, "if (overBound !== null) return deny(", "if (overBound === '') return deny("),
    ],
  },
];
