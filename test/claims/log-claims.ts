import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

/** What looks like a secret stays out of logs. */
export const logClaims: readonly Claim[] = [
  {
    id: "LOG-SECRET",
    door: "call",
    sentence:
      "A guest's log line is stored with [redacted:kind] in place of API keys, credentials of an authorization header, PEM private keys, JSON web tokens and AWS keys.",
    attacker: "an extension that logs what it was given, or whoever reads the log",
    notClaimed:
      "A secret without such a form is not known from any other text; a line that was cut inside one keeps its beginning.",
    tests: "test/attack/log-secret.test.ts",
    tooth: [
      edit(
        "src/apps/sandbox-host.ts",
        "const message = redactSecrets(line.message);",
        "const message = [redactSecrets, line.message][1] as string;",
      ),
    ],
  },
];
