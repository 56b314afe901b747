export { BlobStore } from "./blob-store.ts";
export { verdictEvidence, verdictOfCall } from "./evidence.ts";
export { installExtension } from "./install-door.ts";
export {
  buildSnapshot,
  findInstall,
  listArtifacts,
  listInstalls,
  recordBuild,
  uninstallExtension,
} from "./installs.ts";
export { installTenant, publisherOf } from "./owners.ts";
export type { ControlKeys } from "./keystore.ts";
export { openKeys } from "./keystore.ts";
export {
  addBlob,
  findManifest,
  hasBlob,
  isAdmittedBlob,
  listReferrers,
  listTags,
  putManifest,
  readManifest,
} from "./manifest-store.ts";
export type { StoredManifest } from "./manifest-store.ts";
export { checkPublish, publishArtifact } from "./publish-door.ts";
export { RefusedError, RegistryError } from "./registry-error.ts";
export type { RegistryParts } from "./registry-parts.ts";
export { sweepPending } from "./sweep-pending.ts";
export { TrialDesk } from "./trial-desk.ts";
export { TrustRoots } from "./trust-roots.ts";
export type { KeptVerdict } from "./verdict-store.ts";
export { findVerdict } from "./verdict-store.ts";
