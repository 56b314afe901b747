import { sql } from "kysely";
import type { ExecutionRecord, LogRecord, Usage } from "#contract";
import { limits } from "#contract";
import type { Id } from "#platform";
import type { Store, Tx } from "#store";

const WINDOW_MS = 3_600_000;
const CHUNK = 2_000;

/**
 * Takes a batch from a spool: a record that is there already is passed over, so a batch sent twice counts once.
 * Each record's use is added to its install's hour in the same transaction.
 */
export async function ingestExecutions(
  store: Store,
  records: readonly ExecutionRecord[],
): Promise<void> {
  for (let at = 0; at < records.length; at += CHUNK) {
    const chunk = records.slice(at, at + CHUNK);
    await store.asSystem(async (tx) => {
      const inserted = await insertExecutions(tx, chunk.map(executionRow));
      const fresh = new Set(inserted);
      await addUsage(
        tx,
        chunk.filter((record) => fresh.has(record.id)),
      );
    });
  }
}

/** One parameter for any number of rows; returns the ids of those that were not there. */
async function insertExecutions(tx: Tx, rows: readonly object[]): Promise<string[]> {
  const { rows: inserted } = await sql<{ id: string }>`
    insert into extension_execution_log
    select * from jsonb_populate_recordset(null::extension_execution_log, ${JSON.stringify(rows)}::jsonb)
    on conflict (tenant_id, id) do nothing returning id`.execute(tx);
  return inserted.map((row) => row.id);
}

function executionRow(record: ExecutionRecord) {
  return {
    tenant_id: record.tenant,
    id: record.id,
    request_id: record.requestId,
    install_id: record.install,
    content_hash: record.contentHash,
    extension_id: record.extension,
    version: record.version,
    entrance: "http",
    principal_kind: "apiKey",
    principal_id: record.principalId,
    method: record.method,
    endpoint: record.endpoint,
    outcome: record.outcome,
    code: record.code,
    status: record.status,
    usage: record.usage,
    opened_at: new Date(record.openedAt),
    closed_at: new Date(record.closedAt),
  };
}

async function addUsage(tx: Tx, records: readonly ExecutionRecord[]): Promise<void> {
  const sums = new Map<string, { tenant: string; install: string; window: number; use: Sum }>();
  for (const record of records) {
    const window = Math.floor(record.openedAt / WINDOW_MS) * WINDOW_MS;
    const key = `${record.tenant} ${record.install} ${window}`;
    const entry = sums.get(key) ?? {
      tenant: record.tenant,
      install: record.install,
      window,
      use: { ...ZERO },
    };
    addTo(entry.use, record.usage);
    sums.set(key, entry);
  }
  // In key order: two ingests that touch the same rows never wait for each other in a circle.
  for (const [, entry] of [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    await upsertUsage(tx, entry);
}

interface Sum {
  invocations: number;
  cpuUs: number;
  wallUs: number;
  memoryByteMs: number;
  bytesIn: number;
  bytesOut: number;
}

const ZERO: Sum = { invocations: 0, cpuUs: 0, wallUs: 0, memoryByteMs: 0, bytesIn: 0, bytesOut: 0 };

function addTo(sum: Sum, usage: Usage): void {
  sum.invocations += 1;
  sum.cpuUs += usage.cpuUs;
  sum.wallUs += usage.wallUs;
  sum.memoryByteMs += Math.round((usage.peakMemoryBytes * usage.wallUs) / 1_000);
  sum.bytesIn += usage.bytesIn;
  sum.bytesOut += usage.bytesOut;
}

async function upsertUsage(
  tx: Tx,
  { tenant, install, window, use }: { tenant: string; install: string; window: number; use: Sum },
): Promise<void> {
  const row = {
    tenant_id: tenant,
    install_id: install,
    window_start: new Date(window),
    invocations: use.invocations,
    cpu_us: use.cpuUs,
    wall_us: use.wallUs,
    memory_byte_ms: use.memoryByteMs,
    bytes_in: use.bytesIn,
    bytes_out: use.bytesOut,
  };
  await tx
    .insertInto("extension_quota_usage")
    .values(row)
    .onConflict((on) =>
      on.columns(["tenant_id", "install_id", "window_start"]).doUpdateSet((eb) => ({
        invocations: eb("extension_quota_usage.invocations", "+", String(row.invocations)),
        cpu_us: eb("extension_quota_usage.cpu_us", "+", String(row.cpu_us)),
        wall_us: eb("extension_quota_usage.wall_us", "+", String(row.wall_us)),
        memory_byte_ms: eb("extension_quota_usage.memory_byte_ms", "+", String(row.memory_byte_ms)),
        bytes_in: eb("extension_quota_usage.bytes_in", "+", String(row.bytes_in)),
        bytes_out: eb("extension_quota_usage.bytes_out", "+", String(row.bytes_out)),
      })),
    )
    .execute();
}

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
  readonly openedAt: string;
}

/** Null where this tenant has no execution under that request id. */
export async function findExecution(
  store: Store,
  tenant: Id<"tenant">,
  requestId: string,
): Promise<{ execution: ExecutionView; logs: LogLineView[]; install: string } | null> {
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
      usage: row.usage,
      openedAt: row.opened_at.toISOString(),
    };
    return { execution, logs: logs.map(logView), install: row.install_id };
  });
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
