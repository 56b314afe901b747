export type { Audit, AuditEvent } from "./audit.ts";
export { openAudit } from "./audit.ts";
