export { ingestExecutions } from "./ingest-executions.ts";
export type { ExecutionView, LogLineView } from "./executions.ts";
export { findExecution, ingestLogs, listLogLines, sweepLogs } from "./executions.ts";
