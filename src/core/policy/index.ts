export type { Door, Outcome, Reason, Verdict, VerdictInputs } from "./verdict.ts";
export {
  allow,
  combine,
  denialCodes,
  deny,
  doors,
  group,
  verdictBytes,
  verdictId,
  verdictOf,
} from "./verdict.ts";
export type { Principal, Resource } from "./authorize.ts";
export { authorize, keyActions, operatorActions, tenantActions } from "./authorize.ts";
export type { FenceFact } from "./judge-fence.ts";
export { judgeFence } from "./judge-fence.ts";
export type { PublishFacts } from "./judge-publish.ts";
export { judgeImports, judgePublish, releaseReason } from "./judge-publish.ts";
export type { InstancesFact } from "./judge-instances.ts";
export type { CapabilityTerms, EgressTerms } from "./judge-grant.ts";
export { judgeGrantWidth } from "./judge-grant.ts";
export type { ConfigTerms } from "./judge-config.ts";
export { judgeConfig } from "./judge-config.ts";
export type { InstallFacts } from "./judge-install.ts";
export { judgeInstall } from "./judge-install.ts";
export type { LoadFacts } from "./judge-load.ts";
export { judgeLoad } from "./judge-load.ts";
