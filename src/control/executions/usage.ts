import { sql } from "kysely";
import type { ExecutionBatch } from "#contract";
import type { Tx } from "#store";

const WINDOW_MS = 3_600_000;

/** A row of extension_quota_usage. */
interface UsageSum {
  readonly tenant_id: string;
  readonly install_id: string;
  readonly window_start: Date;
  invocations: number;
  cpu_us: number;
  wall_us: number;
  memory_byte_ms: number;
  bytes_in: number;
  bytes_out: number;
  capability_calls: number;
  egress_requests: number;
  egress_in_bytes: number;
  egress_out_bytes: number;
  fuel: number;
}

/** Adds the use of the records that count to their installs' hours. */
export async function addUsage(
  tx: Tx,
  batch: ExecutionBatch,
  counts: (record: number) => boolean,
): Promise<void> {
  const sums = new Map<string, UsageSum>();
  const sumOf = sumFinder(batch, sums);
  for (let i = 0; i < batch.count; i++) if (counts(i)) addTo(sumOf(i), batch, i);
  // In key order: two ingests that touch the same rows never wait for each other in a circle.
  const rows = [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
  await sql`
    insert into extension_quota_usage as used
    select * from jsonb_populate_recordset(null::extension_quota_usage, ${JSON.stringify(rows)}::jsonb)
    on conflict (tenant_id, install_id, window_start) do update set
      invocations = used.invocations + excluded.invocations,
      cpu_us = used.cpu_us + excluded.cpu_us,
      wall_us = used.wall_us + excluded.wall_us,
      memory_byte_ms = used.memory_byte_ms + excluded.memory_byte_ms,
      bytes_in = used.bytes_in + excluded.bytes_in,
      bytes_out = used.bytes_out + excluded.bytes_out,
      capability_calls = used.capability_calls + excluded.capability_calls,
      egress_requests = used.egress_requests + excluded.egress_requests,
      egress_in_bytes = used.egress_in_bytes + excluded.egress_in_bytes,
      egress_out_bytes = used.egress_out_bytes + excluded.egress_out_bytes,
      fuel = used.fuel + excluded.fuel`.execute(tx);
}

/** Neighbours in a batch mostly have their sum in common: the last one is looked at first. */
function sumFinder(
  { contexts, context, openedAt }: ExecutionBatch,
  sums: Map<string, UsageSum>,
): (record: number) => UsageSum {
  let [lastContext, lastWindow] = [-1, -1];
  let last: UsageSum | null = null;
  return (i) => {
    const window = Math.floor((openedAt[i] ?? 0) / WINDOW_MS);
    const number = context[i] ?? 0;
    if (last !== null && number === lastContext && window === lastWindow) return last;
    const { tenant = "", install = "" } = contexts[number] ?? {};
    const key = `${tenant} ${install} ${window}`;
    last = sums.get(key) ?? emptySum(tenant, install, window);
    sums.set(key, last);
    [lastContext, lastWindow] = [number, window];
    return last;
  };
}

function emptySum(tenant: string, install: string, window: number): UsageSum {
  return {
    tenant_id: tenant,
    install_id: install,
    window_start: new Date(window * WINDOW_MS),
    invocations: 0,
    cpu_us: 0,
    wall_us: 0,
    memory_byte_ms: 0,
    bytes_in: 0,
    bytes_out: 0,
    capability_calls: 0,
    egress_requests: 0,
    egress_in_bytes: 0,
    egress_out_bytes: 0,
    fuel: 0,
  };
}

function addTo(sum: UsageSum, { usage }: ExecutionBatch, i: number): void {
  const of = (column: Float64Array) => column[i] ?? 0;
  sum.invocations += 1;
  sum.cpu_us += of(usage.cpuUs);
  sum.wall_us += of(usage.wallUs);
  sum.memory_byte_ms += Math.round((of(usage.peakMemoryBytes) * of(usage.wallUs)) / 1_000);
  sum.bytes_in += of(usage.bytesIn);
  sum.bytes_out += of(usage.bytesOut);
  sum.capability_calls += of(usage.capabilityCalls);
  sum.egress_requests += of(usage.egressRequests);
  sum.egress_in_bytes += of(usage.egressInBytes);
  sum.egress_out_bytes += of(usage.egressOutBytes);
  sum.fuel += of(usage.fuel);
}
