import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";
import {
  bareSignatureTooth,
  bindingTooth,
  firstAnchorTooth,
  scopeTooth,
  signatureTooth,
  subjectTooth,
  unscopedTooth,
  windowTooth,
} from "./core-teeth.ts";

const JUDGE = "src/core/policy/judge-publish.ts";
const PUBLISHER = "a publisher who may push under the name";
const common = { door: "publish", tests: "test/attack/publish.test.ts" } as const;

export const publishClaims: readonly Claim[] = [
  {
    ...common,
    id: "PUBLISH-BYTES",
    sentence:
      "An artifact whose component, config or manifest differs in one byte from what was signed is not admitted.",
    attacker: "someone with push rights and a good bundle of other bytes",
    tooth: [subjectTooth],
  },
  {
    ...common,
    id: "PUBLISH-SIGNATURE",
    sentence: "A bundle whose signature differs in one byte is not admitted.",
    attacker: "someone with push rights and no signing key",
    tooth: [signatureTooth],
  },
  {
    ...common,
    id: "PUBLISH-UNSIGNED",
    sentence: "An artifact without a bundle is not admitted.",
    attacker: "someone with push rights and no signing key",
    tooth: [edit(JUDGE, "releaseReason(facts.release), // stops: missing", "// stops: missing")],
  },
  {
    ...common,
    id: "PUBLISH-UNKNOWN-KEY",
    sentence: "A signature by a key that the trust bundle does not hold is not admitted.",
    attacker: "someone with push rights and a key of their own",
    tooth: [firstAnchorTooth, signatureTooth],
  },
  {
    ...common,
    id: "PUBLISH-UNSCOPED",
    sentence: "A key in the trust bundle without a scope trusts nothing.",
    attacker: "the holder of a key that the operator added and did not scope",
    tooth: [unscopedTooth],
  },
  {
    ...common,
    id: "PUBLISH-SCOPE",
    sentence: "A trusted key signs only for the publishers of its scope.",
    attacker: "a trusted publisher who signs another publisher's extension",
    tooth: [scopeTooth],
  },
  {
    ...common,
    id: "PUBLISH-WINDOW",
    sentence: "A key is trusted between its two dates and at no other time.",
    attacker: "the holder of a key whose certificate has ended or has not begun",
    notClaimed: "The dates are compared with the clock of control, which is trusted.",
    tooth: [windowTooth],
  },
  {
    ...common,
    id: "PUBLISH-MOVED",
    sentence: "A signature for one name and version admits no other name or version.",
    attacker: PUBLISHER,
    tooth: [bindingTooth],
  },
  {
    ...common,
    id: "PUBLISH-COSIGN",
    sentence: "A plain cosign signature of the manifest, by a trusted key, admits nothing.",
    attacker: "someone with push rights and a signature that the publisher made for another tool",
    tooth: [bareSignatureTooth],
  },
  {
    ...common,
    id: "PUBLISH-CONFIG",
    sentence: "The config of one extension is not admitted under the name of another.",
    attacker: PUBLISHER,
    tooth: [edit(JUDGE, "if (has !== asked)", "if (has === null)")],
  },
  {
    ...common,
    id: "PUBLISH-TAG",
    sentence: "Bytes that their tag no longer names when they are judged are not admitted.",
    attacker: "someone with push rights who moves the tag between push and judgement",
    tooth: [edit(JUDGE, "if (facts.tagMoved)", "if (facts.tagMoved === null)")],
  },
  {
    ...common,
    id: "PUBLISH-VERSION",
    sentence: "Other bytes under an admitted version are refused with 409.",
    attacker: "a publisher, or whoever holds their key, who rewrites a release",
    tooth: [
      edit(
        JUDGE,
        "if (facts.standing !== null && facts.standing !== facts.subject)",
        "if (facts.standing === undefined)",
      ),
    ],
  },
  {
    ...common,
    id: "PUBLISH-OLDER",
    sentence: "A version at or below the newest admitted one is not admitted.",
    attacker: "a publisher, or whoever holds their key, who brings back an old version",
    tooth: [edit(JUDGE, "if (!facts.isNewer)", "if (facts.isNewer === null)")],
  },
  {
    ...common,
    id: "PUSH-FOREIGN",
    sentence: "A tenant pushes under its own publishers only.",
    attacker: "a tenant with an API key that has every action",
    tooth: [
      edit(
        "src/control/api/repository-access.ts",
        'requireMay(principal, "artifact:push", { tenant: owner });',
        'requireMay(principal, "artifact:push", { tenant: principal.tenant });',
      ),
    ],
  },
  {
    ...common,
    id: "PUBLISH-IMPORTS",
    sentence: "A component that imports what its manifest does not ask for is not admitted.",
    attacker: PUBLISHER,
    tooth: [edit(JUDGE, "if (unaskedImports.length > 0)", "if (unaskedImports.length < 0)")],
  },
  {
    ...common,
    id: "PUSH-TAG",
    sentence: "A tag that names an admitted version never moves.",
    attacker: "someone with push rights who moves a tag after it was judged",
    tooth: [
      edit(
        "src/control/registry/manifest-store.ts",
        "if (standing !== undefined && standing.content_hash !== digest)",
        "if (standing?.content_hash === digest && tag === null)",
      ),
    ],
  },
];
