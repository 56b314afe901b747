import type { ErrorCode } from "#contract";
import { idText, ratedLog } from "#platform";
import type { Log, Metrics } from "#platform";
import type { ExecutionRecord } from "./gateway-types.ts";

/** Lines that are written in a second; what is over that is counted. */
const LINES_PER_SECOND = 100;

/** Which calls get a line: those that did not end well, all, or none. */
export const CALL_LINES = ["failed", "all", "none"] as const;
export type CallLines = (typeof CALL_LINES)[number];

export interface Refused {
  readonly requestId: string;
  readonly code: ErrorCode;
}

/** A request that was refused before any sandbox saw it. */
export interface RefusedRequest extends Refused {
  readonly tenant: string | null;
  readonly extension: string | null;
}

/** What the gateway counts and tells of each request for an extension. */
export class CallLog {
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #lines: CallLines;

  constructor(parts: { readonly log: Log; readonly metrics: Metrics; readonly lines: CallLines }) {
    const { metrics } = parts;
    this.#metrics = metrics;
    this.#lines = parts.lines;
    this.#log = ratedLog(parts.log, {
      perSecond: LINES_PER_SECOND,
      onDropped: () => metrics.count("caisson_gateway_log_lines_dropped_total", {}),
    });
  }

  refused({ requestId, code, tenant, extension }: RefusedRequest): void {
    this.#metrics.count("caisson_gateway_answers_total", { code });
    if (this.#lines !== "none")
      this.#log.info("call.refused", { requestId, code, tenant, extension });
  }

  ended(record: ExecutionRecord): void {
    const { code, outcome, openedAt, closedAt } = record;
    this.#metrics.count("caisson_gateway_answers_total", { code: code === "" ? "ok" : code });
    this.#metrics.observe("caisson_gateway_call_seconds", (closedAt - openedAt) / 1_000, {});
    if (this.#lines === "none" || (this.#lines === "failed" && outcome === "done")) return;
    this.#log[outcome === "done" ? "info" : "warn"]("call.ended", lineOf(record));
  }
}

function lineOf({
  context,
  requestId,
  outcome,
  code,
  status,
  openedAt,
  closedAt,
}: ExecutionRecord) {
  const { tenant, install, extension, version, contentHash } = context;
  return {
    requestId: idText("request", requestId),
    tenant,
    install,
    extension,
    version,
    content_hash: contentHash,
    outcome,
    code,
    status,
    ms: closedAt - openedAt,
  };
}
