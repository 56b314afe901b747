export type { ApiKeyRecord } from "./api-keys.ts";
export {
  createApiKey,
  listApiKeys,
  newEdgeToken,
  parseTenantId,
  principalOf,
  revokeApiKey,
  setOperatorKey,
} from "./api-keys.ts";
export type { EdgeRecord, WantedEdge } from "./edges.ts";
export {
  enrolEdge,
  enrolLocalEdge,
  findEdge,
  listEdges,
  removeEdge,
  retireLocalEdge,
  runnerAt,
} from "./edges.ts";
export { TenantError } from "./tenant-error.ts";
export type { Tenant } from "./tenants.ts";
export {
  createPublisher,
  createTenant,
  findTenant,
  listTenants,
  publisherOwner,
} from "./tenants.ts";
