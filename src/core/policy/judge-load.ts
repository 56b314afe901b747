import type { ReleaseResult } from "#trust";
import { judgeImports, releaseReason } from "./judge-publish.ts";
import { judgeFence } from "./judge-fence.ts";
import type { FenceFact } from "./judge-fence.ts";
import { widerEgress } from "./judge-install.ts";
import type { EgressTerms } from "./judge-install.ts";
import { allow, deny, verdictOf } from "./verdict.ts";
import type { Reason, Verdict, VerdictInputs } from "./verdict.ts";

/** Measured by the runner from the bytes it will compile, and from the grant that control signed. */
export interface LoadFacts {
  readonly fence: FenceFact | null;
  readonly subject: string;
  readonly config: {
    readonly extension: string;
    readonly version: string;
    readonly capabilities: readonly string[];
    readonly egress: readonly EgressTerms[];
    readonly memoryBytes: number;
    readonly deadlineMs: number;
  };
  readonly grant: {
    readonly contentHash: string;
    readonly extension: string;
    readonly version: string;
    readonly capabilities: readonly string[];
    readonly egress: readonly EgressTerms[];
    readonly memoryBytes: number;
    readonly deadlineMs: number;
  };
  readonly unaskedImports: readonly string[];
  readonly release: ReleaseResult;
}

export function judgeLoad(facts: LoadFacts, inputs: VerdictInputs, now: Date): Verdict {
  return verdictOf("load", facts.subject, now, inputs, [
    judgeFence(facts), // stops: what was revoked or halted, whatever proves it
    judgeGrantBytes(facts), // stops: other bytes than those that were granted
    judgeGrantWidth(facts), // stops: a grant wider than what the signed config asks
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

function judgeGrantWidth({ config, grant }: LoadFacts): Reason {
  const wider = grant.capabilities.filter((name) => !config.capabilities.includes(name));
  wider.push(...widerEgress(grant.egress, config.egress));
  if (grant.memoryBytes > config.memoryBytes) wider.push("memoryBytes");
  if (grant.deadlineMs > config.deadlineMs) wider.push("deadlineMs");
  if (wider.length > 0)
    return deny("grant", "grant.wider", `the grant is wider than the request: ${wider.join(", ")}`);
  return allow("grant", "grant.within", "the grant is within the request");
}
