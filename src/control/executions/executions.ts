import type { Selectable } from "kysely";
import type { LogRecord } from "#contract";
import { limits } from "#contract";
import { parseId } from "#platform";
import type { Id } from "#platform";
import type { ExecutionRow, Store } from "#store";

const CHUNK = 2_000;

/** Takes a batch of guest log lines; a line that is there already is passed over. */
export async function ingestLogs(store: Store, records: readonly LogRecord[]): Promise<void> {
  for (let at = 0; at < records.length; at += CHUNK) {
    const rows = records.slice(at, at + CHUNK).map((record) => ({
      tenant_id: record.tenant,
      execution_id: record.execution,
      seq: record.seq,
      install_id: record.install,
      extension_id: record.extension,
      level: record.level,
      // PostgreSQL holds no NUL in text.
      message: record.message.replaceAll("\u0000", "\ufffd"),
      at: new Date(record.at),
    }));
    await store.asSystem((tx) =>
      tx
        .insertInto("extension_log")
        .values(rows)
        .onConflict((on) => on.columns(["tenant_id", "execution_id", "seq"]).doNothing())
        .execute(),
    );
  }
}

export interface ExecutionView {
  readonly id: string;
  readonly requestId: string;
  readonly extension: string;
  readonly version: string;
  readonly contentHash: string;
  readonly method: string;
  readonly endpoint: string;
  readonly outcome: string;
  readonly code: string;
  readonly status: number;
  readonly usage: Record<string, number>;
  /** The capability that was denied first; empty where none was. */
  readonly denied: string;
  /** The step of the kill ladder that ended it; 0: none. */
  readonly rung: number;
  readonly openedAt: string;
}

/** requestId: attacker-controlled. Null where this tenant has no execution under it. */
export async function findExecution(
  store: Store,
  tenant: Id<"tenant">,
  requestId: string,
): Promise<{ execution: ExecutionView; logs: LogLineView[]; install: string } | null> {
  if (parseId("request", requestId) === null) return null;
  return store.asTenant(tenant, async (tx) => {
    const row = await tx
      .selectFrom("extension_execution_log")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("request_id", "=", requestId)
      .orderBy("opened_at", "desc")
      .limit(1)
      .executeTakeFirst();
    if (row === undefined) return null;
    const logs = await tx
      .selectFrom("extension_log")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("execution_id", "=", row.id)
      .orderBy("seq")
      .execute();
    const execution = {
      id: row.id,
      requestId: row.request_id,
      extension: row.extension_id,
      version: row.version,
      contentHash: row.content_hash,
      method: row.method,
      endpoint: row.endpoint,
      outcome: row.outcome,
      code: row.code,
      status: row.status,
      usage: usageView(row),
      denied: row.denied,
      rung: row.rung,
      openedAt: row.opened_at.toISOString(),
    };
    return { execution, logs: logs.map(logView), install: row.install_id };
  });
}

function usageView(row: Selectable<ExecutionRow>): Record<string, number> {
  return {
    wallUs: Number(row.wall_us),
    queueUs: Number(row.queue_us),
    cpuUs: Number(row.cpu_us),
    peakMemoryBytes: Number(row.peak_memory_bytes),
    bytesIn: Number(row.bytes_in),
    bytesOut: Number(row.bytes_out),
    logBytes: row.log_bytes,
    logLines: row.log_lines,
    droppedLogLines: row.dropped_log_lines,
    capabilityCalls: row.capability_calls,
    egressRequests: row.egress_requests,
    egressInBytes: Number(row.egress_in_bytes),
    egressOutBytes: Number(row.egress_out_bytes),
    fuel: Number(row.fuel),
  };
}

export interface LogLineView {
  readonly executionId: string;
  readonly extension: string;
  readonly level: string;
  readonly message: string;
  readonly at: string;
}

/** Newest last, at most `limit`. */
export async function listLogLines(
  store: Store,
  tenant: Id<"tenant">,
  extension: string | undefined,
  limit: number,
): Promise<LogLineView[]> {
  const rows = await store.asTenant(tenant, (tx) => {
    const all = tx.selectFrom("extension_log").selectAll().where("tenant_id", "=", tenant);
    const wanted = extension === undefined ? all : all.where("extension_id", "=", extension);
    return wanted.orderBy("at", "desc").orderBy("seq", "desc").limit(limit).execute();
  });
  return rows.toReversed().map(logView);
}

function logView(row: {
  execution_id: string;
  extension_id: string;
  level: string;
  message: string;
  at: Date;
}): LogLineView {
  return {
    executionId: row.execution_id,
    extension: row.extension_id,
    level: row.level,
    message: row.message,
    at: row.at.toISOString(),
  };
}

/** Guest log lines are kept for limits.logKeptMs. */
export async function sweepLogs(store: Store, now: Date): Promise<void> {
  const before = new Date(now.getTime() - limits.logKeptMs.value);
  await store.asSystem((tx) => tx.deleteFrom("extension_log").where("at", "<", before).execute());
}
