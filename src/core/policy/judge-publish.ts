import type { ReleaseResult } from "#trust";
import { judgeFence } from "./judge-fence.ts";
import type { FenceFact } from "./judge-fence.ts";
import { judgeInstances } from "./judge-instances.ts";
import type { InstancesFact } from "./judge-instances.ts";
import { allow, combine, deny, group, verdictOf } from "./verdict.ts";
import type { Reason, Verdict, VerdictInputs } from "./verdict.ts";

/** Everything measured by the door from the bytes it holds; nothing here is taken from a client's word. */
export interface PublishFacts {
  readonly fence: FenceFact | null;
  readonly subject: string;
  readonly tagMoved: boolean;
  readonly config: { readonly publisher: string; readonly name: string; readonly version: string };
  readonly wanted: { readonly publisher: string; readonly name: string; readonly version: string };
  /** Imports of the component that its manifest does not ask for. */
  readonly unaskedImports: readonly string[];
  readonly release: ReleaseResult;
  /** content_hash under that version, where one is admitted. */
  readonly standing: string | null;
  readonly newest: string | null;
  readonly isNewer: boolean;
  /** "later": nothing of the artifact was run yet. */
  readonly instances: InstancesFact | "later";
}

/** A denial without the step of the instances stands: only what all other steps allow may be run. */
export function judgePublish(facts: PublishFacts, inputs: VerdictInputs, now: Date): Verdict {
  const steps = [
    judgeFence(facts), // stops: what was revoked or halted, whatever proves it
    judgeTag(facts), // stops: a tag moved between push and judgement
    judgeBinding(facts), // stops: a config of one extension under another's name or version
    judgeImports(facts), // stops: a component that reaches for more than its manifest asks
    releaseReason(facts.release), // stops: missing, foreign, transplanted or expired signatures
    judgeVersion(facts), // stops: older versions, other bytes under a version
  ];
  if (facts.instances !== "later" && combine(steps) === "allow")
    steps.push(judgeInstances(facts.instances)); // stops: instances that all draw the same numbers
  return verdictOf("publish", facts.subject, now, inputs, steps);
}

function judgeTag(facts: PublishFacts): Reason {
  if (facts.tagMoved)
    return deny("tag", "tag.moved", `tag ${facts.wanted.version} no longer names ${facts.subject}`);
  return allow("tag", "tag.same", `tag ${facts.wanted.version} names the judged bytes`);
}

function judgeBinding({ config, wanted }: PublishFacts): Reason {
  const has = `${config.publisher}.${config.name}@${config.version}`;
  const asked = `${wanted.publisher}.${wanted.name}@${wanted.version}`;
  if (has !== asked)
    return deny("config", "config.mismatch", `the config names ${has}, the request ${asked}`);
  return allow("config", "config.bound", `the config names ${has}`);
}

export function judgeImports({ unaskedImports }: Pick<PublishFacts, "unaskedImports">): Reason {
  if (unaskedImports.length > 0)
    return deny(
      "imports",
      "import.unasked",
      `the component imports ${unaskedImports.join(", ")}, which its manifest does not ask for`,
    );
  return allow("imports", "import.asked", "the component imports only what its manifest asks for");
}

export function releaseReason(release: ReleaseResult): Reason {
  const children = release.steps.map((step): Reason => ({ ...step, children: [] }));
  return group(
    "release",
    release.ok ? "release.proven" : "release.unproven",
    "signed release statement",
    children,
  );
}

function judgeVersion(facts: PublishFacts): Reason {
  if (facts.standing !== null && facts.standing !== facts.subject)
    return deny(
      "version",
      "version.exists",
      `version ${facts.wanted.version} stands with other bytes, ${facts.standing}`,
    );
  if (facts.standing !== null)
    return allow("version", "version.same", "these bytes stand under this version already");
  if (!facts.isNewer)
    return deny(
      "version",
      "version.older",
      `version ${facts.wanted.version} is not above ${facts.newest ?? ""}`,
    );
  return allow(
    "version",
    "version.newer",
    facts.newest === null ? "first version" : `above ${facts.newest}`,
  );
}
