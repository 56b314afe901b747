import type { ReleaseResult } from "#trust";
import { judgeImports, releaseReason } from "./judge-publish.ts";
import { judgeConfig } from "./judge-config.ts";
import type { ConfigTerms } from "./judge-config.ts";
import { judgeGrantWidth } from "./judge-grant.ts";
import type { CapabilityTerms, EgressTerms } from "./judge-grant.ts";
import { judgeFence } from "./judge-fence.ts";
import type { FenceFact } from "./judge-fence.ts";
import { allow, deny, verdictOf } from "./verdict.ts";
import type { Reason, Verdict, VerdictInputs } from "./verdict.ts";

export interface InstallFacts {
  readonly fence: FenceFact | null;
  readonly subject: string;
  readonly state: string;
  readonly unaskedImports: readonly string[];
  readonly release: ReleaseResult;
  readonly requested: CapabilityTerms;
  readonly granted: CapabilityTerms;
  readonly config: ConfigTerms;
  /** Version and capabilities of what is installed now. */
  readonly installed: {
    readonly version: string;
    readonly capabilities: readonly string[];
    readonly egress: readonly EgressTerms[];
    readonly config: Readonly<Record<string, string>>;
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
    judgeGrantWidth(facts), // stops: a grant wider than the request
    judgeConfig(facts.config), // stops: names that nobody declared, and an install without one that it needs
    judgeDirection(facts), // stops: an older version that nobody asked for by name
    capabilityDiff(facts),
  ]);
}

function judgeState({ state, version }: InstallFacts): Reason {
  if (state !== "admitted")
    return deny("state", "version.not-admitted", `version ${version} is ${state}, wanted admitted`);
  return allow("state", "version.admitted", `version ${version} is admitted`);
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

/** Capabilities with their parameters, an item for each thing that one may do, and the names that are set. */
function capabilityList(
  { capabilities, egress }: Pick<CapabilityTerms, "capabilities" | "egress">,
  config: Readonly<Record<string, string>>,
): string[] {
  const reach = egress.flatMap(({ origin, methods }) =>
    methods.map((method) => `http.fetch[${method} ${origin}]`),
  );
  const set = Object.keys(config).map((name) => `config[${name}]`);
  return [...capabilities, ...reach, ...set];
}

function capabilityDiff({ installed, granted, config }: InstallFacts): Reason {
  const { config: set, ...terms } = installed ?? { capabilities: [], egress: [], config: {} };
  const before = capabilityList(terms, set);
  const after = capabilityList(granted, config.given);
  const more = after.filter((item) => !before.includes(item)).map((item) => `+${item}`);
  const less = before.filter((item) => !after.includes(item)).map((item) => `-${item}`);
  const text = [...more, ...less].join(" ");
  return allow("capabilities", "capabilities.diff", text === "" ? "unchanged" : text);
}
