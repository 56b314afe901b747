export { BrokerClient } from "./broker-client.ts";
export { ArtifactCache } from "./artifact-cache.ts";
export { BuildStore } from "./build-store.ts";
export { compileComponent, readFingerprint } from "./compiler.ts";
export type { KeeperParts } from "./grant-keeper.ts";
export { GrantKeeper } from "./grant-keeper.ts";
export type { OnCall } from "./capability-calls.ts";
export { GuestMetrics } from "./guest-metrics.ts";
export { SandboxProcess } from "./sandbox-process.ts";
