import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

const ADMISSION = "src/edge/execute/admission.ts";
const SERVER = "src/edge/execute/execute-server.ts";
const REACHES = "whoever reaches a runner's port";
const GATEWAY = "someone who has taken over a gateway";
const LISTENS = "someone who has come to read what gateway and runner send each other";
const common = { door: "call", tests: "test/attack/execute.test.ts" } as const;

/** Every token's signature. */
const signatureTooth = edit(
  "src/core/trust/token.ts",
  "key.checkSignature(writeUtf8(`${header}.${claims}`), bytes);",
  "void bytes;",
);

/** Who may call a runner that is elsewhere, and what (`POST /v1/execute`). */
export const executeClaims: readonly Claim[] = [
  {
    ...common,
    id: "EXECUTE-REQUIRED",
    sentence: "A runner takes no call from elsewhere without a token.",
    attacker: REACHES,
    tooth: [
      edit(
        ADMISSION,
        'if (bearer === undefined) return "execute.required";',
        'if (bearer === undefined) return { kind: "operator", id: "", body: "" };',
      ),
    ],
  },
  {
    ...common,
    id: "EXECUTE-FORGED",
    sentence: "A runner takes no token that its own control did not sign, by Ed25519.",
    attacker: REACHES,
    tooth: [signatureTooth],
  },
  {
    ...common,
    id: "EXECUTE-PROOF",
    sentence:
      "A gateway's credential opens nothing without a proof, for that very call, by the key that it names.",
    attacker: LISTENS,
    notClaimed:
      "Whoever has taken over a gateway has its key too: they call what that gateway may call, under any principal, until it is removed.",
    tooth: [signatureTooth],
  },
  {
    ...common,
    id: "EXECUTE-EXPIRED",
    sentence: "A runner takes no token past its time, before it, or good for longer than a minute.",
    attacker: LISTENS,
    notClaimed:
      "A gateway's credential is good for 15 minutes, as long as it serves without control; each of its calls needs a proof of at most one minute.",
    tooth: [
      edit(
        ADMISSION,
        'if (!isGood(part, now)) return "execute.expired";',
        'if (now < 0) return "execute.expired";',
      ),
    ],
  },
  {
    ...common,
    id: "EXECUTE-REPLAY",
    sentence: "A runner takes a token once.",
    attacker: LISTENS,
    tooth: [
      edit(ADMISSION, 'if (use === "again") return', 'if (use === "again" && now < 0) return'),
    ],
  },
  {
    ...common,
    id: "EXECUTE-RESTART",
    sentence: "A runner takes no token that was made before its present start, used or not.",
    attacker: "someone who can make a runner end, and has kept what was sent to it",
    tooth: [
      edit(
        ADMISSION,
        "if (token.boot !== this.boot) return",
        "if (token.boot !== this.boot && now < 0) return",
      ),
    ],
  },
  {
    ...common,
    id: "EXECUTE-BODY",
    sentence: "A runner runs nothing but the very request that the token was made for.",
    attacker: LISTENS,
    tooth: [
      edit(
        SERVER,
        "if (bytes === null || bodyClaim(bytes) !== caller.body) return release(",
        "if (bytes === null) return release(",
      ),
    ],
  },
  {
    ...common,
    id: "EXECUTE-AUDIENCE",
    sentence: "A runner takes no token that was made for another runner.",
    attacker: "someone who has taken over another runner, and is called there",
    tooth: [
      edit(
        ADMISSION,
        "if (part.audience !== this.#parts.runner) return",
        "if (part.audience !== this.#parts.runner && now < 0) return",
      ),
    ],
  },
  {
    ...common,
    id: "EXECUTE-HANDLE",
    sentence:
      "A runner calls no grant but the one that it holds for the tenant and install that the call names.",
    attacker: GATEWAY,
    notClaimed: "A gateway that was taken over may name any tenant and install that it can route.",
    tooth: [
      edit(
        SERVER,
        "if (grant?.tenant !== head.tenant || grant.install !== head.install) return",
        "if (grant === undefined) return",
      ),
    ],
  },
  {
    ...common,
    id: "EXECUTE-HEAD",
    sentence: "A runner parses no head of a call that is over its bound.",
    attacker: GATEWAY,
    tooth: [
      edit(
        "src/core/contract/execute-call.ts",
        "if (size > limits.executeHeadBytes.value) return",
        "if (size > bytes.length * 2 ** 32) return",
      ),
    ],
  },
  {
    ...common,
    id: "EXECUTE-FENCE",
    sentence: "A runner refuses what its own fence stops, whatever the gateway knows of it.",
    attacker: GATEWAY,
    tooth: [
      edit(
        SERVER,
        "if (install.fence !== null)",
        'if (install.fence !== null && head.handle === "")',
      ),
    ],
  },
  {
    ...common,
    id: "EXECUTE-REMOVED",
    sentence: "A gateway that was removed calls no runner that has heard of it.",
    attacker: "someone who has taken over a gateway, when the operator has removed it",
    tooth: [
      edit(
        ADMISSION,
        'if (fence.find("edge", token.subject) !== null) return',
        'if (fence.find("edge", token.subject) !== null && now < 0) return',
      ),
    ],
  },
  {
    ...common,
    id: "EXECUTE-CREDENTIAL",
    door: "api",
    sentence: "Control names a key to runners for nobody but an enrolled gateway.",
    attacker: "someone who holds another edge's token, a tenant's key or a removed gateway's token",
    tooth: [
      edit(
        "src/core/policy/authorize.ts",
        'gateway: ["execute:credential"],',
        'gateway: ["execute:credential"], runner: ["execute:credential"],',
      ),
    ],
  },
];
