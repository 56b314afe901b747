import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

const CREW = "src/edge/runner/sandbox-crew.ts";
const TENANT = "a tenant who calls as much as it may";
const STUCK = "a publisher whose admitted extension finds a way to hold the sandbox's thread";
const queue = { door: "call", attacker: TENANT, tests: "test/attack/queue.test.ts" } as const;
const ladder = { door: "call", attacker: STUCK, tests: "test/attack/ladder.test.ts" } as const;

/** Tenants share a sandbox; a sandbox that does not come back is left, then killed. */
export const queueClaims: readonly Claim[] = [
  {
    ...queue,
    id: "QUEUE-SLOTS",
    sentence:
      "A tenant whose calls do not end leaves slots of the sandbox free: another tenant's calls are answered meanwhile.",
    notClaimed:
      "A sandbox has one thread: calls of others take longer beside a flood, in turns of 5 ms (`neighbour.p99` of the bench).",
    tooth: [
      edit(
        "native/turns/src/slots.rs",
        "held < free * TIMES_FREE",
        "held <= self.total && free > 0",
      ),
    ],
  },
  {
    ...queue,
    id: "QUEUE-SHED",
    sentence:
      "A full queue of a sandbox sheds the newest call of the tenant that waits with most, be it the one that comes or not.",
    tooth: [
      edit(
        "native/sandbox/src/calls.rs",
        "self.queue.gives_way(grant.lane())",
        "self.queue.gives_way(grant.lane()).filter(|id| *id == 0)",
      ),
    ],
  },
  {
    ...ladder,
    id: "LADDER-LEAVE",
    sentence:
      "A sandbox that has not come back for about a second takes no new calls: a warm spare answers them.",
    notClaimed: "Calls that were sent to it before wait for it (LADDER-DEADLINE, LADDER-KILL).",
    tooth: [edit(CREW, "else if (member.unanswered > LEAVE_LOOKS) this.#leave(member);", "")],
  },
  {
    ...ladder,
    id: "LADDER-DEADLINE",
    sentence:
      "A call inside a sandbox that does not come back is answered with deadline.exceeded when its deadline is over, once the process was left.",
    tooth: [
      edit(
        "src/edge/gateway/sandbox-client.ts",
        "const last = Date.now() - OVERDUE_MS;",
        "const last = OVERDUE_MS;",
      ),
    ],
  },
  {
    ...ladder,
    id: "LADDER-KILL",
    sentence:
      "A sandbox that has not come back for about five seconds is killed; its calls end with runner.lost, and their records say rung 4.",
    tooth: [
      edit(
        CREW,
        "if (member.unanswered > (member.fences > 0 ? FENCE_LOOKS : KILL_LOOKS)) this.#kill(member);\n      else if",
        "if",
      ),
    ],
  },
  {
    ...ladder,
    id: "LADDER-FENCE",
    sentence:
      "A halt is in force in the spare, and in a sandbox that leaves, before the runner acknowledges it.",
    tooth: [
      edit(
        CREW,
        "this.#members().map((member) => this.#fenceOne(member, fence))",
        "this.#members().slice(0, 1).map((member) => this.#fenceOne(member, fence))",
      ),
    ],
  },
];
