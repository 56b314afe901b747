import type { ReleaseResult } from "#trust";
import { judgeImports, releaseReason } from "./judge-publish.ts";
import { judgeFence } from "./judge-fence.ts";
import type { FenceFact } from "./judge-fence.ts";
import { judgeConfig } from "./judge-config.ts";
import type { ConfigTerms } from "./judge-config.ts";
import { judgeGrantWidth } from "./judge-grant.ts";
import type { CapabilityTerms } from "./judge-grant.ts";
import { allow, deny, verdictOf } from "./verdict.ts";
import type { Reason, Verdict, VerdictInputs } from "./verdict.ts";

/** Measured by the runner from the bytes it will compile, and from the grant that control signed. */
export interface LoadFacts {
  readonly fence: FenceFact | null;
  readonly subject: string;
  readonly config: CapabilityTerms & {
    readonly extension: string;
    readonly version: string;
  };
  readonly grant: CapabilityTerms & {
    readonly contentHash: string;
    readonly extension: string;
    readonly version: string;
  };
  readonly values: ConfigTerms;
  readonly unaskedImports: readonly string[];
  readonly release: ReleaseResult;
}

export function judgeLoad(facts: LoadFacts, inputs: VerdictInputs, now: Date): Verdict {
  return verdictOf("load", facts.subject, now, inputs, [
    judgeFence(facts), // stops: what was revoked or halted, whatever proves it
    judgeGrantBytes(facts), // stops: other bytes than those that were granted
    judgeGrantWidth({ requested: facts.config, granted: facts.grant }), // stops: a grant wider than what the signed config asks
    judgeConfig(facts.values),
    judgeImports(facts), // stops: a component that reaches for more than its manifest asks
    releaseReason(facts.release), // stops: bytes without a signature, log proof or checkpoint that hold here and now
  ]);
}

function judgeGrantBytes({ subject, config, grant }: LoadFacts): Reason {
  const named = `${config.extension}@${config.version}`;
  const granted = `${grant.extension}@${grant.version}`;
  if (grant.contentHash !== subject || named !== granted)
    return deny(
      "grant",
      "grant.mismatch",
      `the grant is for ${granted} ${grant.contentHash}, the bytes are ${named} ${subject}`,
    );
  return allow("grant", "grant.bound", `the grant is for ${granted}`);
}
