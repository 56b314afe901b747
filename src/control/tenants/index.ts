export type { ApiKeyRecord } from "./api-keys.ts";
export {
  createApiKey,
  enrolEdge,
  listApiKeys,
  listEdges,
  newEdgeToken,
  parseTenantId,
  principalOf,
  revokeApiKey,
  setOperatorKey,
} from "./api-keys.ts";
export { TenantError } from "./tenant-error.ts";
export type { Tenant } from "./tenants.ts";
export {
  createPublisher,
  createTenant,
  findTenant,
  listTenants,
  publisherOwner,
} from "./tenants.ts";
