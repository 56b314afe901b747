import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

const common = { door: "verify", tests: "test/e2e/evidence.test.ts" } as const;
const tooth = [edit("src/cli/replay-evidence.ts", "ok: false,", "ok: true,")];

/** Checks of evidence by whoever trusts no server. */
export const evidenceClaims: readonly Claim[] = [
  {
    ...common,
    id: "EVIDENCE-BYTES",
    sentence:
      "caisson verify refuses evidence of which any part differs in one byte, and an admission without its artifact.",
    attacker: "whoever hands the evidence over",
    notClaimed:
      "What control alone can know (states, directions, fence, the call itself) is called stated, not proven.",
    tooth,
  },
  {
    ...common,
    id: "EVIDENCE-PINS",
    sentence: "caisson verify believes no key that the evidence brings, only those of its pins.",
    attacker: "another control that signs evidence of its own",
    tooth,
  },
];
