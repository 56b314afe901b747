import { assert, property, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { CodedError } from "#trust";
import { ExecutionEncoder, parseExecutionBatch } from "#contract";
import type { ExecutionContext, ExecutionRecord } from "#contract";

const context: ExecutionContext = {
  tenant: "0191f0e2-7c00-7000-8000-000000000001",
  install: "0191f0e2-7c00-7000-8000-000000000002",
  contentHash: `sha256:${"ab".repeat(32)}`,
  extension: "acme.hello",
  version: "1.0.0",
  principalId: "0191f0e2-7c00-7000-8000-000000000003",
  method: "GET",
  endpoint: "/:name",
};

function recordOf(n: number, parts: Partial<ExecutionRecord> = {}): ExecutionRecord {
  return {
    context,
    id: Buffer.alloc(16, n),
    requestId: Buffer.alloc(16, 100 + n),
    outcome: "done",
    code: "",
    rung: 0,
    status: 200,
    openedAt: 1_764_000_000_000 + n,
    closedAt: 1_764_000_000_001 + n,
    usage: {
      wallUs: 5_000_000_000,
      queueUs: 2,
      cpuUs: 3,
      peakMemoryBytes: 65_536,
      bytesIn: 4,
      bytesOut: 6,
      logBytes: 7,
      logLines: 8,
      droppedLogLines: 9,
      capabilityCalls: 10,
      egressRequests: 11,
      egressInBytes: 12,
      egressOutBytes: 13,
      fuel: 14,
    },
    denied: null,
    ...parts,
  };
}

function encoded(...records: ExecutionRecord[]): Uint8Array {
  const encoder = new ExecutionEncoder();
  // Taken in parts, as a spool does: the second part leans on the first.
  return Buffer.concat(
    records.map((record) => {
      encoder.add(record);
      return Buffer.from(encoder.take());
    }),
  );
}

test("parseExecutionBatch() reads what ExecutionEncoder wrote, a context once", () => {
  const other = { ...context, method: "POST", endpoint: "/" };
  const batch = parseExecutionBatch(
    encoded(
      recordOf(1),
      recordOf(2, { outcome: "lost", code: "runner.lost", rung: 4, status: 503 }),
      recordOf(3, { context: other, denied: "http.fetch" }),
    ),
  );
  expect(batch.count).toBe(3);
  expect(batch.contexts).toEqual([context, other]);
  expect([...batch.context]).toEqual([0, 0, 1]);
  expect(batch.outcome).toEqual(["done", "lost", "done"]);
  expect(batch.code).toEqual(["", "runner.lost", ""]);
  expect(batch.denied).toEqual(["", "", "http.fetch"]);
  expect([...batch.status]).toEqual([200, 503, 200]);
  expect([...batch.rung]).toEqual([0, 4, 0]);
  expect([...batch.ids.subarray(16, 32)]).toEqual([...Buffer.alloc(16, 2)]);
  expect([...batch.requestIds.subarray(32)]).toEqual([...Buffer.alloc(16, 103)]);
  expect(batch.openedAt[2]).toBe(1_764_000_000_003);
  expect(batch.closedAt[0]).toBe(1_764_000_000_002);
  expect(Object.values(batch.usage).map((column) => column[1])).toEqual([
    5_000_000_000, 2, 3, 65_536, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14,
  ]);
});

test("parseExecutionBatch() passes over what a loss of power cut off, and zeros behind it", () => {
  const whole = encoded(recordOf(1), recordOf(2));
  for (const cut of [1, 40, 120])
    expect(parseExecutionBatch(whole.subarray(0, whole.length - cut)).count).toBe(1);
  expect(parseExecutionBatch(Buffer.concat([whole, Buffer.alloc(500)])).count).toBe(2);
});

test("parseExecutionBatch() reads a record of before there was fuel or a rung", () => {
  const bytes = encoded(recordOf(1, { code: "guest.trap", denied: "http.fetch" }));
  const code = 1 + "guest.trap".length;
  const record = bytes.length - (3 + 55 + 112 + 1 + 1 + code);
  const [usageEnd, deniedAt, rungAt] = [55 + 104, 55 + 112, 55 + 113].map((at) => record + 3 + at);
  const former = Buffer.concat([
    bytes.subarray(0, record),
    Buffer.of(2, 0, 0),
    bytes.subarray(record + 3, usageEnd),
    bytes.subarray(deniedAt, rungAt),
    bytes.subarray(bytes.length - code),
  ]);
  former.writeUInt16LE(55 + 104 + 1 + code, record + 1);
  const { count, usage, denied, rung, code: codes } = parseExecutionBatch(former);
  expect([count, usage.egressOutBytes[0], usage.fuel[0], denied, rung[0], codes]).toEqual([
    1,
    13,
    0,
    ["http.fetch"],
    0,
    ["guest.trap"],
  ]);
});

test("parseExecutionBatch() refuses what is out of bounds", () => {
  const bytes = encoded(recordOf(1));
  const record = bytes.length - (3 + 55 + 112 + 1 + 1 + 1);
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(bytes);
    copy[record + 3 + at] = value;
    return copy;
  };
  for (const [what, batch] of [
    ["a context that is not there", changed(0, 1)],
    ["an outcome that is not one", changed(36, 9)],
    ["a status over 599", changed(38, 9)],
    ["a time after all calls", changed(46, 1)],
    ["use beyond safe integers", changed(62, 0xff)],
    ["a denied capability that is none", changed(167, 9)],
    ["a rung that is none", changed(168, 5)],
    ["a code longer than its record", changed(169, 9)],
    ["an unknown kind", changed(-3, 9)],
    ["a text with NUL", encoded(recordOf(1, { code: "a\u0000" }))],
  ] as const)
    expect(() => parseExecutionBatch(batch), what).toThrow(CodedError);
});

test("parseExecutionBatch() answers any bytes with a batch or a coded error", () => {
  assert(
    property(uint8Array({ maxLength: 400 }), (noise) => {
      const bytes = Buffer.concat([encoded(recordOf(1)), noise]);
      try {
        parseExecutionBatch(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(CodedError);
      }
    }),
  );
});
