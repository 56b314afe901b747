import type { CallResult, ErrorCode, ExecutionOutcome } from "#contract";

/** How a sandbox's result reads for the client and in the record. */
export interface CallEnd {
  readonly code: ErrorCode | "";
  readonly outcome: ExecutionOutcome;
}

const REFUSALS: Readonly<Record<string, ErrorCode>> = {
  "runner.capacity": "runner.capacity",
  // Sent before the gateway heard that the sandbox takes no new call.
  "runner.draining": "runner.lost",
  "grant.concurrency": "quota.concurrency",
  "deadline.exceeded": "deadline.exceeded",
  "policy.unavailable": "policy.unavailable",
};

export function callEnd(result: CallResult): CallEnd {
  switch (result.outcome) {
    case "done":
      return { code: "", outcome: "done" };
    case "refused":
      // A handle that the sandbox does not know, or whose grant has expired, is one that no runner admitted.
      return { code: REFUSALS[result.code] ?? "artifact.refused", outcome: "refused" };
    case "trapped":
      if (result.code === "guest.fuel") return { code: "guest.fuel", outcome: "trapped" };
      return { code: "guest.trap", outcome: "trapped" };
    case "memory":
      return { code: "guest.memory", outcome: "trapped" };
    case "deadline":
      return { code: "deadline.exceeded", outcome: "deadline" };
    case "cancelled":
      return {
        code: result.code === "call.halted" ? "call.halted" : "runner.lost",
        outcome: "cancelled",
      };
    case "response-invalid":
      return { code: "guest.response", outcome: "trapped" };
    case "lost":
      return { code: "runner.lost", outcome: "lost" };
    default:
      return result.outcome satisfies never;
  }
}
