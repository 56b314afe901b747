import { sql } from "kysely";
import type { RawBuilder } from "kysely";
import type { ExecutionBatch } from "#contract";
import { int4Array, int8Array, textArray, timestampArray, uuidArray } from "#store";
import type { Store } from "#store";
import { addUsage } from "./usage.ts";

const UNIQUE_VIOLATION = "23505";
const ID_BYTES = 16;

/**
 * Takes a batch from a spool: a record that is there already is passed over, so a batch sent twice counts once.
 * The records' use is added to their installs' hours in the same transaction.
 */
export async function ingestExecutions(store: Store, batch: ExecutionBatch): Promise<void> {
  if (batch.count === 0) return;
  try {
    await store.asSystem(async (tx) => {
      await insertionOf(batch).execute(tx);
      await addUsage(tx, batch, () => true);
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    await ingestWhatIsNew(store, batch);
  }
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === UNIQUE_VIOLATION;
}

/** Dearer for each row, and seldom needed: an answer of ours was lost, and the edge sends its batch again. */
function ingestWhatIsNew(store: Store, batch: ExecutionBatch): Promise<void> {
  return store.asSystem(async (tx) => {
    const { rows } = await sql<{ id: Buffer }>`
      ${insertionOf(batch)} on conflict (tenant_id, id) do nothing returning uuid_send(id) as id`.execute(
      tx,
    );
    const fresh = new Set(rows.map(({ id }) => id.toString("hex")));
    await addUsage(tx, batch, (i) => fresh.delete(idHex(batch, i)));
  });
}

function idHex({ ids }: ExecutionBatch, i: number): string {
  return Buffer.from(ids.subarray(i * ID_BYTES, (i + 1) * ID_BYTES)).toString("hex");
}

/** A parameter for each column of the batch, however many rows; what calls have in common is sent once and joined. */
function insertionOf(batch: ExecutionBatch): RawBuilder<unknown> {
  const { usage } = batch;
  const contexts = JSON.stringify(batch.contexts.map((context, n) => ({ n, ...context })));
  return sql`
    insert into extension_execution_log (
      tenant_id, id, request_id, install_id, content_hash, extension_id, version, entrance, principal_kind, principal_id,
      method, endpoint, outcome, code, status, opened_at, closed_at, wall_us, queue_us, cpu_us, peak_memory_bytes,
      bytes_in, bytes_out, log_bytes, log_lines, dropped_log_lines, capability_calls, egress_requests, egress_in_bytes,
      egress_out_bytes, fuel, denied, rung)
    select c.tenant, r.id, r.request_id, c.install, c."contentHash", c.extension, c.version, 'http',
      case when c."principalId" like 'operator %' then 'operator' else 'apiKey' end, c."principalId",
      c.method, c.endpoint, r.outcome, r.code, r.status, r.opened_at, r.closed_at, r.wall_us, r.queue_us, r.cpu_us,
      r.peak_memory_bytes, r.bytes_in, r.bytes_out, r.log_bytes, r.log_lines, r.dropped_log_lines, r.capability_calls,
      r.egress_requests, r.egress_in_bytes, r.egress_out_bytes, r.fuel, r.denied, r.rung
    from unnest(
      ${int4Array(batch.context)}::int4[], ${uuidArray(batch.ids)}::uuid[], ${uuidArray(batch.requestIds)}::uuid[],
      ${textArray(batch.outcome)}::text[], ${textArray(batch.code)}::text[], ${int4Array(batch.status)}::int4[],
      ${timestampArray(batch.openedAt)}::timestamptz[], ${timestampArray(batch.closedAt)}::timestamptz[],
      ${int8Array(usage.wallUs)}::int8[], ${int8Array(usage.queueUs)}::int8[], ${int8Array(usage.cpuUs)}::int8[],
      ${int8Array(usage.peakMemoryBytes)}::int8[], ${int8Array(usage.bytesIn)}::int8[], ${int8Array(usage.bytesOut)}::int8[],
      ${int8Array(usage.logBytes)}::int8[], ${int8Array(usage.logLines)}::int8[], ${int8Array(usage.droppedLogLines)}::int8[],
      ${int8Array(usage.capabilityCalls)}::int8[], ${int8Array(usage.egressRequests)}::int8[], ${int8Array(usage.egressInBytes)}::int8[],
      ${int8Array(usage.egressOutBytes)}::int8[], ${int8Array(usage.fuel)}::int8[], ${textArray(batch.denied)}::text[], ${int4Array(batch.rung)}::int4[]
    ) as r (n, id, request_id, outcome, code, status, opened_at, closed_at, wall_us, queue_us, cpu_us, peak_memory_bytes,
      bytes_in, bytes_out, log_bytes, log_lines, dropped_log_lines, capability_calls, egress_requests, egress_in_bytes,
      egress_out_bytes, fuel, denied, rung)
    join jsonb_to_recordset(${contexts}::jsonb) as c (n int4, tenant uuid, install uuid, "contentHash" text, extension text,
      version text, "principalId" text, method text, endpoint text) using (n)`;
}
