export { migrate, requireCurrent, StoreError } from "./migrate.ts";
export { describeSchema } from "./describe-schema.ts";
export type { DatabaseAddress, Queries, Store, Tx } from "./store.ts";
export { openStore } from "./store.ts";
export { isDatabaseAway } from "./database-away.ts";
export { rowSecurityHole } from "./row-security.ts";
export type {
  AnchorScopeRow,
  ArtifactState,
  EdgeKind,
  ExecutionRow,
  GrantState,
  InstallState,
  Tables,
} from "./tables.ts";
export { int4Array, int8Array, textArray, timestampArray, uuidArray } from "./array-params.ts";
export { edgeKinds } from "./tables.ts";
