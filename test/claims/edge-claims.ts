import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

const ROUTES = "src/control/api/enrolment-routes.ts";
const BETWEEN = "someone on the network between the machines";
const common = { tests: "test/attack/edge.test.ts" } as const;

/** Edges of other machines: what they trust, and how they are taken out. */
export const edgeClaims: readonly Claim[] = [
  {
    ...common,
    id: "EDGE-REMOVED",
    door: "api",
    sentence: "A removed edge's lines to control end, and its token opens nothing.",
    attacker: "someone who has taken over a machine whose edge the operator removes",
    tooth: [
      edit(ROUTES, "await removeEdge(store, clock, id);\n    streams.drop(id);", ""),
      edit(ROUTES, "streams.drop(id); // a line", "// a line"),
    ],
  },
  {
    ...common,
    id: "EDGE-PLAIN",
    door: "start",
    sentence: "No edge speaks to control in the clear but on its own machine.",
    attacker: BETWEEN,
    tooth: [
      edit(
        "src/edge/link/enrolment.ts",
        'if (protocol !== "https:" && !plain)',
        'if (protocol === "" && !plain)',
      ),
    ],
  },
  {
    ...common,
    id: "EDGE-AUTHORITY",
    door: "start",
    sentence:
      "An edge speaks to no control whose certificate is of another authority than its enrolment names.",
    attacker: `${BETWEEN}, with a certificate that the well-known authorities gave`,
    tooth: [
      edit(
        "src/edge/link/control-client.ts",
        "{ ...kept, ca }",
        "{ ...kept, ca, rejectUnauthorized: false }",
      ),
    ],
  },
  {
    ...common,
    id: "EDGE-RUNNER",
    door: "call",
    sentence:
      "A gateway calls no runner whose certificate is of another authority than CAISSON_RUNNER_CA names.",
    attacker: BETWEEN,
    tooth: [
      edit(
        "src/edge/execute/remote-runner.ts",
        "this.#agent = new Agent({",
        "this.#agent = new Agent({ rejectUnauthorized: false,",
      ),
    ],
  },
];
