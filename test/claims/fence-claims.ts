import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";
import { documentSignerTeeth } from "./core-teeth.ts";

const LINE = "src/edge/link/control-line.ts";
const KEEPER = "src/edge/runner/grant-keeper.ts";
const LINES = "src/control/api/fence-lines.ts";
const FENCES = "src/control/fence/fences.ts";
const JUDGED = "judgeFence(facts), // stops: what was revoked or halted, whatever proves it\n    ";
const REPLAY = "someone who answers for control on the line, or who can write an edge's disk";
const RUNS = "whoever has something running that the operator has stopped";
const doors = { tests: "test/attack/fence.test.ts" } as const;
const edges = { tests: "test/attack/fence-edge.test.ts" } as const;

/** The door's step, taken out of its judge. */
const judgeTooth = (door: "publish" | "install" | "load") =>
  edit(`src/core/policy/judge-${door}.ts`, JUDGED, "");

/** Revocation and halt: set, in force everywhere, kept, lifted by whoever may. */
export const fenceClaims: readonly Claim[] = [
  {
    ...doors,
    id: "FENCE-PUBLISH",
    door: "publish",
    sentence:
      "Nothing is admitted whose digest, extension, publisher or key is stopped, or while all is.",
    attacker: "a publisher who was stopped, with a good signature",
    tooth: [judgeTooth("publish")],
  },
  {
    ...doors,
    id: "FENCE-INSTALL",
    door: "install",
    sentence: "No admitted version is installed that a scope of the fence stops.",
    attacker: "a tenant with an API key that may install",
    tooth: [
      judgeTooth("install"),
      edit("src/core/policy/judge-install.ts", "judgeState(facts), // stops", "// stops"),
    ],
  },
  {
    ...doors,
    id: "FENCE-LOAD",
    door: "load",
    sentence: "A runner that starts again loads nothing that a scope of the fence stops.",
    attacker: RUNS,
    tooth: [
      judgeTooth("load"),
      edit(
        KEEPER,
        "if (entry !== null)\n      throw",
        "if (entry !== null && grant === null)\n      throw",
      ),
    ],
  },
  {
    ...doors,
    id: "FENCE-CALL",
    door: "call",
    sentence: "A gateway takes no call of what a scope of the fence stops.",
    attacker: "a tenant that calls what was stopped",
    tooth: [
      edit(
        "src/edge/gateway/gateway-server.ts",
        "if (install.fence !== null) return",
        'if (install.fence !== null && id === "") return',
      ),
    ],
  },
  {
    ...doors,
    id: "FENCE-RUNNING",
    door: "call",
    sentence: "A halt ends the calls that are inside, and tells how many they were.",
    attacker: "an extension that runs when it is halted",
    tooth: [
      edit(
        KEEPER,
        "await this.#sandbox.halt(held.handle, fence.epoch)",
        "{ unqueued: 0, killed: 0 }",
      ),
    ],
  },
  {
    ...doors,
    id: "FENCE-MEMORY",
    door: "load",
    sentence:
      "The code of a revoked digest leaves the sandbox's memory before the edge acknowledges.",
    attacker: RUNS,
    tooth: [
      edit(KEEPER, "await this.#forget(text, held);\n        return counts;", "return counts;"),
    ],
  },
  {
    ...doors,
    id: "FENCE-RESTART",
    door: "call",
    sentence: "What is halted stays halted through kill -9 of control, runner and gateway.",
    attacker: "someone who can make processes end",
    notClaimed:
      "An edge whose whole disk is set back, fence and snapshot, serves as of then until its snapshot is too old.",
    tooth: [edit(FENCES, "await fences.#reload();\n    return fences;", "return fences;")],
  },
  {
    ...edges,
    id: "FENCE-FOREIGN",
    door: "call",
    sentence:
      "An edge takes no fence that its own control did not sign, and serves nothing without one.",
    attacker: REPLAY,
    tooth: documentSignerTeeth,
  },
  {
    ...edges,
    id: "FENCE-BEHIND",
    door: "call",
    sentence:
      "An edge serves nothing from a snapshot that knows of a newer fence than the edge has.",
    attacker: "someone who can set back the fence on an edge's disk",
    tooth: [edit(LINE, "fence === null || fence.epoch < snapshot.fenceEpoch", "fence === null")],
  },
  {
    ...edges,
    id: "FENCE-ROLLBACK",
    door: "call",
    sentence: "An edge goes back to no fence older than the one it has.",
    attacker: REPLAY,
    tooth: [
      edit(
        LINE,
        'refuseOlder("fence", this.#state.fence?.epoch, opened.body.epoch);',
        "void refuseOlder;",
      ),
    ],
  },
  {
    ...edges,
    id: "FENCE-ACK",
    door: "api",
    sentence: "A verb counts an edge only when that edge has acknowledged, and names the others.",
    attacker: "an edge that keeps its connection and does nothing",
    tooth: [
      edit(
        LINES,
        "acknowledged: lines.length > 0 && acks.length === lines.length,",
        "acknowledged: lines.length > 0,",
      ),
    ],
  },
  {
    ...edges,
    id: "FENCE-RESUME",
    door: "api",
    sentence: "A tenant's key lifts only what a key of that tenant set.",
    attacker: "a tenant that the operator has halted",
    tooth: [edit(FENCES, ".$if(tenant !== null, (query)", '.$if(tenant === "", (query)')],
  },
  {
    ...edges,
    id: "FENCE-SCOPE",
    door: "api",
    sentence: "A tenant's key stops nothing but its own tenant, installs and versions.",
    attacker: "a tenant that would stop others",
    tooth: [
      edit(
        "src/core/policy/authorize.ts",
        "GLOBAL_READS.includes(action) ||",
        'GLOBAL_READS.includes(action) || action === "fence:manage" ||',
      ),
    ],
  },
  {
    ...edges,
    id: "FENCE-REVOKED",
    door: "api",
    sentence: "Nobody lifts a revocation, the operator included.",
    attacker: "someone who holds the operator's key",
    tooth: [edit(FENCES, "if (!entry.reversible)", "if (entry.epoch < 0)")],
  },
];
