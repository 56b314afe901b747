export type { ExecutionView, LogLineView } from "./executions.ts";
export {
  findExecution,
  ingestExecutions,
  ingestLogs,
  listLogLines,
  sweepLogs,
} from "./executions.ts";
