import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";
import {
  bindingTooth,
  checkpointTooth,
  entryTeeth,
  egressWidthTooth,
  grantWidthTooth,
  firstAnchorTooth,
  inclusionTooth,
  logRequiredTooth,
  scopeTooth,
  signatureTooth,
  subjectTooth,
  windowTooth,
} from "./core-teeth.ts";

const FILES = "src/edge/runner/measure-files.ts";
const BUILDS = "src/edge/runner/build-store.ts";
const DISK = "someone who can write the runner's cache, or answers for control";
const BUILD_DISK = "someone who can write the runner's build store, without its MAC key";
const common = { door: "load", tests: "test/attack/load.test.ts" } as const;
const releaseTooth = edit(
  "src/core/policy/judge-load.ts",
  "releaseReason(facts.release), // stops: bytes without",
  "// stops: bytes without",
);
const mac = edit(
  BUILDS,
  "if (mac.length !== wanted.length || !timingSafeEqual(mac, wanted))",
  "if (mac.length !== wanted.length)",
);

export const loadClaims: readonly Claim[] = [
  {
    ...common,
    id: "LOAD-COMPONENT",
    sentence: "A component that differs in one byte from the admitted one is not run.",
    attacker: DISK,
    tooth: [
      edit(
        FILES,
        "if (!isBlob(bytes.files.get(layer.path) ?? new Uint8Array(), layer))",
        "if (bytes.files.get(layer.path) === undefined)",
      ),
    ],
  },
  {
    ...common,
    id: "LOAD-CONFIG",
    sentence: "A config that differs in one byte from the admitted one is not used.",
    attacker: DISK,
    tooth: [edit(FILES, "if (!isBlob(bytes.config, manifest.config))", "if (bytes === null)")],
  },
  {
    ...common,
    id: "LOAD-MANIFEST",
    sentence: "A manifest that differs in one byte from the granted and signed one is not used.",
    attacker: DISK,
    tooth: [
      edit(
        "src/core/policy/judge-load.ts",
        "if (grant.contentHash !== subject || named !== granted)",
        "if (named !== granted)",
      ),
      subjectTooth,
    ],
  },
  {
    ...common,
    id: "LOAD-IMPORTS",
    sentence:
      "A component that imports what its manifest does not ask for is not run, granted or not.",
    attacker: "someone who holds control's disk and all its keys, and a publisher's signature",
    tests: "test/attack/imports.test.ts",
    tooth: [
      edit(
        "src/core/policy/judge-load.ts",
        "judgeImports(facts), // stops: a component",
        "// stops: a component",
      ),
    ],
  },
  {
    ...common,
    id: "LOAD-SIGNATURE",
    sentence: "A release whose signature differs in one byte is not run.",
    attacker: DISK,
    tooth: [signatureTooth, ...entryTeeth],
  },
  {
    ...common,
    id: "LOAD-PROOF",
    sentence: "A release whose log proof differs in one byte is not run.",
    attacker: DISK,
    tooth: [inclusionTooth],
  },
  {
    ...common,
    id: "LOAD-CHECKPOINT",
    sentence: "A release whose checkpoint differs in one byte from what the log signed is not run.",
    attacker: DISK,
    tooth: [checkpointTooth],
  },
  {
    ...common,
    id: "LOAD-ENTRY",
    sentence: "A release with the log entry of another signature is not run.",
    attacker: DISK,
    tooth: entryTeeth,
  },
  {
    ...common,
    id: "LOAD-UNLOGGED",
    sentence: "A signed release without a log entry is not run.",
    attacker: DISK,
    tooth: [logRequiredTooth],
  },
  {
    ...common,
    id: "LOAD-SCOPE",
    sentence: "A release whose signer's scope lacks the load door is not run, installed or not.",
    attacker: "the holder of a key that the operator has narrowed",
    tooth: [scopeTooth],
  },
  {
    ...common,
    id: "BUILD-CODE",
    sentence: "Compiled code that differs in one byte from what the compiler made is not mapped.",
    attacker: BUILD_DISK,
    tooth: [edit(BUILDS, "if (claim.build !== digest)", "if (claim.build === null)")],
  },
  {
    ...common,
    id: "BUILD-MAC",
    sentence: "A build record whose MAC differs in one byte lets nothing be mapped.",
    attacker: BUILD_DISK,
    tooth: [mac],
  },
  {
    ...common,
    id: "BUILD-RECORD",
    sentence: "Other code under a record that names it is not mapped without the runner's MAC.",
    attacker: BUILD_DISK,
    tooth: [mac],
  },
  {
    ...common,
    id: "BUILD-ENGINE",
    sentence: "Code that was built for another engine is not mapped.",
    attacker: "someone who brings back a build store of an earlier release, its MACs good",
    tooth: [edit(BUILDS, "if (claim.fingerprint !== fingerprint)", "if (claim === null)")],
  },
  {
    ...common,
    id: "BUILD-COMPONENT",
    sentence: "The build of one component is not run for another.",
    attacker: "someone who can rename files of the runner's build store, their MACs good",
    tooth: [edit(BUILDS, "if (claim.component !== component)", "if (claim === null)")],
  },
  {
    ...common,
    id: "LOAD-UNSIGNED",
    sentence: "A release without a bundle is not run.",
    attacker: DISK,
    tooth: [releaseTooth],
  },
  {
    ...common,
    id: "LOAD-UNKNOWN-KEY",
    sentence: "A release signed by a key that the trust root does not hold is not run.",
    attacker: DISK,
    tooth: [firstAnchorTooth, signatureTooth, logRequiredTooth],
  },
  {
    ...common,
    id: "LOAD-MOVED",
    sentence: "A signature for one name and version runs no other name or version.",
    attacker: DISK,
    tooth: [bindingTooth, logRequiredTooth],
  },
  {
    ...common,
    id: "LOAD-COSIGN",
    sentence: "A plain cosign signature of the manifest, by a trusted key, runs nothing.",
    attacker: DISK,
    tooth: [releaseTooth],
  },
  {
    ...common,
    id: "LOAD-WINDOW",
    sentence: "A release whose signer is past its dates is not loaded when a runner starts.",
    attacker: "the holder of a key whose dates have ended",
    notClaimed: "What is loaded already when the dates end goes on running.",
    tests: "test/attack/load-key.test.ts",
    tooth: [windowTooth],
  },
  {
    ...common,
    id: "LOAD-GRANT",
    sentence: "A grant wider than the signed config is not run, whoever signed the grant.",
    attacker: "someone who holds control's state key and no publisher's key",
    tests: "test/attack/load-key.test.ts",
    tooth: [grantWidthTooth],
  },
  {
    ...common,
    id: "LOAD-EGRESS",
    sentence:
      "A runner loads nothing under a grant for an origin that the signed config does not ask for.",
    attacker: "someone who holds control's state key",
    tests: "test/attack/egress.test.ts",
    tooth: [egressWidthTooth],
  },
];
