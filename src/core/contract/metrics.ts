/** What a process counts of itself. Labels are few and constant: never a tenant, an install, a digest or a path. */
export interface MetricDefinition {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** Processes that show it. */
  readonly of: readonly ProcessName[];
  /** Upper bounds of a histogram's buckets, in the unit of its name. */
  readonly buckets?: readonly number[];
}

export type ProcessName = "supervisor" | "control" | "gateway" | "runner" | "broker";

const CALL_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const DOOR_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const EDGES = ["gateway", "runner", "broker"] as const;
const SPOOLERS = ["gateway", "runner"] as const;

/** Every metric's name, labels and meaning, in one place; what Node's own process shows comes on top. */
export const metricTable = {
  caisson_ready: gauge("1 while this process is ready", [
    "supervisor",
    "control",
    "gateway",
    "runner",
    "broker",
  ]),
  caisson_process_restarts_total: counter(
    "processes that ended and were started again",
    ["supervisor"],
    ["name"],
  ),
  caisson_gateway_answers_total: counter(
    "requests for extensions, by code of their answer (ok: the extension's own)",
    ["gateway"],
    ["code"],
  ),
  caisson_gateway_call_seconds: histogram(
    "from a call's opening to its result",
    ["gateway"],
    CALL_SECONDS,
  ),
  caisson_gateway_open_calls: gauge("calls open now", ["gateway"]),
  caisson_gateway_log_lines_dropped_total: counter(
    "log lines of calls over the rate that is written",
    ["gateway"],
  ),
  caisson_spool_open: gauge("1 while the spool takes records; 0: calls are refused", SPOOLERS),
  caisson_spool_segments: gauge("segments that wait for control", SPOOLERS),
  caisson_snapshot_age_seconds: gauge(
    "since control sealed the snapshot that is served; -1: none",
    SPOOLERS,
  ),
  caisson_fence_epoch: gauge("epoch of the fence in force; -1: none", EDGES),
  caisson_door_verdicts_total: counter(
    "verdicts by door and outcome",
    ["control", "runner"],
    ["door", "outcome"],
  ),
  caisson_control_requests_total: counter(
    "requests to control, by route and status",
    ["control"],
    ["route", "status"],
  ),
  caisson_control_request_seconds: histogram(
    "from a request to control to its answer",
    ["control"],
    DOOR_SECONDS,
    ["route"],
  ),
  caisson_edges_connected: gauge("edges on their line to control", ["control"]),
  caisson_executions_ingested_total: counter("records of executions taken from edges", ["control"]),
  caisson_log_lines_ingested_total: counter("lines of guests taken from edges", ["control"]),
  caisson_guest_points_dropped_total: counter(
    "points of extensions' metrics that were not taken, by reason",
    ["runner"],
    ["reason"],
  ),
  caisson_guest_series: gauge("series of extensions' metrics", ["runner"]),
  caisson_builds_total: counter("components compiled, by outcome", ["runner"], ["outcome"]),
  caisson_build_seconds: histogram("one compilation", ["runner"], DOOR_SECONDS),
  caisson_execute_answers_total: counter(
    "calls from elsewhere to this runner, by code of their answer (ok: the extension's own)",
    ["runner"],
    ["code"],
  ),
  caisson_execute_open_calls: gauge("calls from elsewhere that are open now", ["runner"]),
  caisson_grants_loaded: gauge("grants that the sandbox holds", ["runner"]),
  caisson_sandbox_ends_total: counter("sandbox processes that ended unasked", ["runner"]),
  caisson_sandbox_spare_ready: gauge(
    "1 while a spare sandbox holds what the one holds that takes calls",
    ["runner"],
  ),
  caisson_sandbox_rungs_total: counter(
    "sandbox processes that did not come back: 3 left and were replaced, 4 were killed",
    ["runner"],
    ["rung"],
  ),
  caisson_broker_requests_total: counter(
    "capability calls by capability and outcome",
    ["broker"],
    ["capability", "outcome"],
  ),
  caisson_broker_request_seconds: histogram(
    "one capability call at the broker",
    ["broker"],
    CALL_SECONDS,
  ),
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof metricTable;

function counter<const Labels extends readonly string[] = []>(
  help: string,
  of: readonly ProcessName[],
  labels?: Labels,
) {
  return { kind: "counter", help, of, labels: labels ?? ([] as unknown as Labels) } as const;
}

function gauge(help: string, of: readonly ProcessName[]) {
  return { kind: "gauge", help, of, labels: [] } as const;
}

function histogram<const Labels extends readonly string[] = []>(
  help: string,
  of: readonly ProcessName[],
  buckets: readonly number[],
  labels?: Labels,
) {
  return {
    kind: "histogram",
    help,
    of,
    buckets,
    labels: labels ?? ([] as unknown as Labels),
  } as const;
}
