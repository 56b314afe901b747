import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";
import {
  checkpointTooth,
  entryTeeth,
  egressWidthTooth,
  grantWidthTooth,
  inclusionTooth,
  logRequiredTooth,
  scopeTooth,
  signatureTooth,
} from "./core-teeth.ts";

const JUDGE = "src/core/policy/judge-install.ts";
const DISK = "someone who can write control's stored artifacts and their evidence";
const TENANT = "a tenant with an API key that may install";
const CONTROL =
  "someone who holds control's disk, its log key and a publisher's signature, and asks no publish door";
const common = { door: "install", tests: "test/attack/install.test.ts" } as const;

export const installClaims: readonly Claim[] = [
  {
    ...common,
    id: "INSTALL-BYTES",
    sentence: "A stored file that differs in one byte from the admitted one is not installed.",
    attacker: DISK,
    tooth: [
      edit(
        "src/control/registry/blob-store.ts",
        'return `sha256:${createHash("sha256").update(bytes).digest("hex")}` === digest ? bytes : null;',
        "return bytes;",
      ),
    ],
  },
  {
    ...common,
    id: "INSTALL-MANIFEST",
    sentence: "A stored manifest that differs in one byte from the admitted one is not installed.",
    attacker: "someone who can write control's database",
    tooth: [
      edit(
        "src/control/registry/install-door.ts",
        "if (artifact.digest !== situation.digest)",
        "if (artifact.digest === null)",
      ),
    ],
  },
  {
    ...common,
    id: "INSTALL-IMPORTS",
    sentence:
      "A component that imports what its manifest does not ask for is not installed, admitted or not.",
    attacker: CONTROL,
    tests: "test/attack/imports.test.ts",
    tooth: [
      edit(
        JUDGE,
        "judgeImports(facts),\n    releaseReason(facts.release), // stops: evidence",
        "releaseReason(facts.release), // stops: evidence",
      ),
    ],
  },
  {
    ...common,
    id: "INSTALL-SIGNATURE",
    sentence: "An admitted version whose stored signature differs in one byte is not installed.",
    attacker: DISK,
    tooth: [signatureTooth, ...entryTeeth],
  },
  {
    ...common,
    id: "INSTALL-PROOF",
    sentence: "A log proof that differs in one byte installs nothing.",
    attacker: DISK,
    tooth: [inclusionTooth],
  },
  {
    ...common,
    id: "INSTALL-CHECKPOINT",
    sentence: "A checkpoint that differs in one byte from what the log signed installs nothing.",
    attacker: DISK,
    tooth: [checkpointTooth],
  },
  {
    ...common,
    id: "INSTALL-ENTRY",
    sentence: "The log entry of another signature, its proof intact, installs nothing.",
    attacker: DISK,
    tooth: entryTeeth,
  },
  {
    ...common,
    id: "INSTALL-UNLOGGED",
    sentence: "A signed release that is in no log is not installed.",
    attacker: "the holder of a publisher's key who keeps a release from the public log",
    tooth: [logRequiredTooth],
  },
  {
    ...common,
    id: "INSTALL-SCOPE",
    sentence: "A key whose scope no longer has the install door installs nothing new.",
    attacker: "the holder of a key that the operator has narrowed",
    tooth: [scopeTooth],
  },
  {
    ...common,
    id: "INSTALL-GRANT",
    sentence: "No grant is wider than what the signed config asks for.",
    attacker: TENANT,
    tooth: [grantWidthTooth],
  },
  {
    ...common,
    tests: "test/attack/fuel.test.ts",
    id: "INSTALL-FUEL",
    sentence:
      "No grant has more fuel than the signed config asks for, nor leaves uncounted what it asks to have counted.",
    attacker: TENANT,
    tooth: [
      edit(
        "src/core/policy/judge-grant.ts",
        "if (fuelOf(granted) > fuelOf(requested))",
        "if (fuelOf(granted) < 0)",
      ),
    ],
  },
  {
    ...common,
    id: "INSTALL-OLDER",
    sentence:
      "A version older than the installed one is installed only when rollback is asked for.",
    attacker: TENANT,
    tooth: [
      edit(
        JUDGE,
        "if (installed.isNewer && !rollback)",
        "if (installed.isNewer && rollback === null)",
      ),
    ],
  },
  {
    ...common,
    id: "INSTALL-EGRESS",
    sentence: "No grant opens an origin to http.fetch that the signed config does not ask for.",
    attacker: TENANT,
    tests: "test/attack/egress.test.ts",
    tooth: [egressWidthTooth],
  },
];
