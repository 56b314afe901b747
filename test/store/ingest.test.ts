import { afterAll, beforeAll, expect, test } from "vitest";
import { ExecutionEncoder, parseExecutionBatch } from "#contract";
import type { ExecutionBatch, ExecutionContext } from "#contract";
import { findExecution, ingestExecutions } from "#executions";
import { idText, newId, newIdBytes } from "#platform";
import { startTestDatabase } from "./database.ts";
import type { TestDatabase } from "./database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await startTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const HOUR_MS = 3_600_000;
const NOON = Date.UTC(2030, 0, 1, 12);

interface Call {
  readonly context: ExecutionContext;
  readonly id: Buffer;
  readonly requestId: Buffer;
  readonly openedAt: number;
}

function contextOf(tenant: string, endpoint = "/"): ExecutionContext {
  return {
    tenant,
    install: newId("install"),
    contentHash: `sha256:${"0f".repeat(32)}`,
    extension: "acme.counted",
    version: "1.2.3",
    principalId: newId("apiKey"),
    method: "GET",
    endpoint,
  };
}

function callOf(context: ExecutionContext, openedAt = NOON): Call {
  return { context, id: newIdBytes(), requestId: newIdBytes(), openedAt };
}

function batchOf(calls: readonly Call[]): ExecutionBatch {
  const encoder = new ExecutionEncoder();
  const usage = {
    wallUs: 2_000,
    queueUs: 1,
    cpuUs: 10,
    peakMemoryBytes: 65_536,
    bytesIn: 3,
    bytesOut: 5,
    logBytes: 0,
    logLines: 0,
    droppedLogLines: 0,
    capabilityCalls: 4,
    egressRequests: 3,
    egressInBytes: 2,
    egressOutBytes: 1,
    fuel: 7,
  };
  for (const call of calls)
    encoder.add({
      ...call,
      outcome: "done",
      code: "",
      denied: null,
      rung: 0,
      status: 200,
      closedAt: NOON + 1,
      usage,
    });
  return parseExecutionBatch(encoder.take());
}

function used(tenant: string): Promise<object[]> {
  return database.store.asSystem((tx) =>
    tx
      .selectFrom("extension_quota_usage")
      .select([
        "invocations",
        "cpu_us",
        "memory_byte_ms",
        "bytes_in",
        "bytes_out",
        "egress_requests",
      ])
      .where("tenant_id", "=", tenant)
      .orderBy("window_start")
      .execute(),
  );
}

async function recorded(tenant: string): Promise<number> {
  const rows = await database.store.asSystem((tx) =>
    tx.selectFrom("extension_execution_log").select("id").where("tenant_id", "=", tenant).execute(),
  );
  return rows.length;
}

const sum = (calls: number) => ({
  invocations: String(calls),
  cpu_us: String(10 * calls),
  memory_byte_ms: String(131_072 * calls),
  bytes_in: String(3 * calls),
  bytes_out: String(5 * calls),
  egress_requests: String(3 * calls),
});

test("ingestExecutions() records each call with its context and sums its use by hour", async () => {
  const tenant = newId("tenant");
  const [a, b] = [contextOf(tenant), contextOf(newId("tenant"), "/:name")];
  const calls = [callOf(a), callOf(b), callOf(a), callOf(a, NOON + HOUR_MS)];
  await ingestExecutions(database.store, batchOf(calls));
  expect(await recorded(tenant)).toBe(3);
  expect(await used(tenant)).toEqual([sum(2), sum(1)]);
  const request = idText("request", calls[3]?.requestId ?? Buffer.alloc(16));
  const found = await findExecution(database.store, tenant, request);
  expect(found).toMatchObject({
    install: a.install,
    execution: {
      id: idText("execution", calls[3]?.id ?? Buffer.alloc(16)),
      requestId: request,
      contentHash: a.contentHash,
      endpoint: "/",
      outcome: "done",
      usage: {
        wallUs: 2_000,
        cpuUs: 10,
        peakMemoryBytes: 65_536,
        bytesOut: 5,
        capabilityCalls: 4,
        egressOutBytes: 1,
      },
      denied: "",
      rung: 0,
      openedAt: "2030-01-01T13:00:00.000Z",
    },
  });
});

test("ingestExecutions() counts a batch once that comes twice, and of one that overlaps what is new", async () => {
  const tenant = newId("tenant");
  const context = contextOf(tenant);
  const calls = Array.from({ length: 500 }, () => callOf(context));
  await ingestExecutions(database.store, batchOf(calls));
  await ingestExecutions(database.store, batchOf(calls));
  expect(await recorded(tenant)).toBe(500);
  expect(await used(tenant)).toEqual([sum(500)]);
  await ingestExecutions(database.store, batchOf([...calls.slice(400), callOf(context)]));
  expect(await recorded(tenant)).toBe(501);
  expect(await used(tenant)).toEqual([sum(501)]);
});

test("ingestExecutions() takes two copies of a batch at the same time once", async () => {
  const tenant = newId("tenant");
  const batch = batchOf(Array.from({ length: 200 }, () => callOf(contextOf(tenant))));
  await Promise.all([
    ingestExecutions(database.store, batch),
    ingestExecutions(database.store, batch),
  ]);
  expect(await recorded(tenant)).toBe(200);
});

test("findExecution() finds nothing under another tenant, or under what is no request id", async () => {
  const tenant = newId("tenant");
  const call = callOf(contextOf(tenant));
  await ingestExecutions(database.store, batchOf([call]));
  const request = idText("request", call.requestId);
  expect(await findExecution(database.store, newId("tenant"), request)).toBeNull();
  expect(await findExecution(database.store, tenant, "nothing")).toBeNull();
});
