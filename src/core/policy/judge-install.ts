import type { ReleaseResult } from "#trust";
import { judgeImports, releaseReason } from "./judge-publish.ts";
import { judgeFence } from "./judge-fence.ts";
import type { FenceFact } from "./judge-fence.ts";
import { allow, deny, verdictOf } from "./verdict.ts";
import type { Reason, Verdict, VerdictInputs } from "./verdict.ts";

/** An origin and the methods that may be sent there. */
export interface EgressTerms {
  readonly origin: string;
  readonly methods: readonly string[];
}

export interface CapabilityTerms {
  readonly capabilities: readonly string[];
  readonly egress: readonly EgressTerms[];
  readonly memoryBytes: number;
  readonly deadlineMs: number;
}

export interface InstallFacts {
  readonly fence: FenceFact | null;
  readonly subject: string;
  readonly state: string;
  readonly unaskedImports: readonly string[];
  readonly release: ReleaseResult;
  readonly requested: CapabilityTerms;
  readonly granted: CapabilityTerms;
  /** Version and capabilities of what is installed now. */
  readonly installed: {
    readonly version: string;
    readonly capabilities: readonly string[];
    readonly egress: readonly EgressTerms[];
    readonly isNewer: boolean;
  } | null;
  readonly version: string;
  readonly rollback: boolean;
}

export function judgeInstall(facts: InstallFacts, inputs: VerdictInputs, now: Date): Verdict {
  return verdictOf("install", facts.subject, now, inputs, [
    judgeFence(facts), // stops: what was revoked or halted, whatever proves it
    judgeState(facts), // stops: pending, invalid and revoked versions
    judgeImports(facts),
    releaseReason(facts.release), // stops: evidence that no longer holds, or is in no log
    judgeGrant(facts), // stops: a grant wider than the request
    judgeDirection(facts), // stops: an older version that nobody asked for by name
    capabilityDiff(facts),
  ]);
}

function judgeState({ state, version }: InstallFacts): Reason {
  if (state !== "admitted")
    return deny("state", "version.not-admitted", `version ${version} is ${state}, wanted admitted`);
  return allow("state", "version.admitted", `version ${version} is admitted`);
}

function judgeGrant({ requested, granted }: InstallFacts): Reason {
  const wider = granted.capabilities.filter((name) => !requested.capabilities.includes(name));
  wider.push(...widerEgress(granted.egress, requested.egress));
  if (granted.memoryBytes > requested.memoryBytes)
    wider.push(`memoryBytes ${granted.memoryBytes} > ${requested.memoryBytes}`);
  if (granted.deadlineMs > requested.deadlineMs)
    wider.push(`deadlineMs ${granted.deadlineMs} > ${requested.deadlineMs}`);
  if (wider.length > 0)
    return deny("grant", "grant.wider", `the grant is wider than the request: ${wider.join(", ")}`);
  return allow("grant", "grant.within", "the grant is within the request");
}

function judgeDirection({ installed, version, rollback }: InstallFacts): Reason {
  if (installed === null) return allow("direction", "install.first", "not installed yet");
  if (installed.isNewer && !rollback)
    return deny(
      "direction",
      "version.downgrade",
      `version ${installed.version} is installed; going back to ${version} has to be asked for with rollback`,
    );
  if (installed.isNewer)
    return allow(
      "direction",
      "version.rollback",
      `back from ${installed.version} to ${version}, asked for by name`,
    );
  return allow("direction", "version.upgrade", `from ${installed.version} to ${version}`);
}

/** Capabilities with their parameters, an item for each thing that one may do. */
function capabilityList({
  capabilities,
  egress,
}: Pick<CapabilityTerms, "capabilities" | "egress">): string[] {
  const reach = egress.flatMap(({ origin, methods }) =>
    methods.map((method) => `http.fetch[${method} ${origin}]`),
  );
  return [...capabilities, ...reach];
}

/** What `narrow` allows and `wide` does not; empty where it is within. */
export function widerEgress(
  narrow: readonly EgressTerms[],
  wide: readonly EgressTerms[],
): string[] {
  return narrow.flatMap(({ origin, methods }) => {
    const allowed = wide.find((rule) => rule.origin === origin)?.methods ?? [];
    return methods
      .filter((method) => !allowed.includes(method))
      .map((method) => `http.fetch[${method} ${origin}]`);
  });
}

function capabilityDiff({ installed, granted }: InstallFacts): Reason {
  const none = { capabilities: [], egress: [] };
  const before = capabilityList(installed ?? none);
  const after = capabilityList(granted);
  const more = after.filter((item) => !before.includes(item)).map((item) => `+${item}`);
  const less = before.filter((item) => !after.includes(item)).map((item) => `-${item}`);
  const text = [...more, ...less].join(" ");
  return allow("capabilities", "capabilities.diff", text === "" ? "unchanged" : text);
}
