import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";
import { documentSignerTeeth } from "./core-teeth.ts";

const LINE = "src/edge/link/control-line.ts";
const REPLAY = "someone who answers for control on the line, or who can write the gateway's disk";
const common = { door: "call", attacker: REPLAY, tests: "test/attack/snapshot.test.ts" } as const;

/** Checks of the line between control and its edges. */
export const snapshotClaims: readonly Claim[] = [
  {
    ...common,
    id: "SNAPSHOT-FOREIGN",
    sentence: "A gateway serves by no snapshot of another control.",
    tooth: documentSignerTeeth,
  },
  {
    ...common,
    id: "SNAPSHOT-EXPIRED",
    sentence: "A gateway serves by no snapshot past its end.",
    notClaimed: "The end is compared with the clock of the gateway's machine, which is trusted.",
    tooth: [edit("src/core/trust/document.ts", "if (expiresAt.getTime() <= at)", "if (at < 0)")],
  },
  {
    ...common,
    id: "SNAPSHOT-STALE",
    sentence: "A gateway serves by no snapshot over its greatest age.",
    tooth: [
      edit(
        LINE,
        "return this.#parts.clock.now().getTime() - sealedAt.getTime() <= snapshot.greatestAgeMs",
        "return sealedAt.getTime() > 0",
      ),
    ],
  },
  {
    ...common,
    id: "SNAPSHOT-ROLLBACK",
    sentence: "A gateway goes back to no snapshot older than the one it has.",
    tooth: [
      edit(
        LINE,
        'refuseOlder("snapshot", this.#state.snapshot?.epoch, opened.body.epoch);',
        "void refuseOlder;",
      ),
    ],
  },
];
