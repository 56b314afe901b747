import { afterAll, beforeAll, expect, test } from "vitest";
import type { Answer, Caisson, ExtensionParts } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";

const MIB = 1_048_576;
let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
  await caisson.serve({ name: "well-behaved" });
});
afterAll(() => caisson[Symbol.asyncDispose]());

/** Serves the guest and calls it once. */
async function callGuest(guest: string, parts: ExtensionParts): Promise<Answer> {
  await caisson.serve({ guest, ...parts });
  return caisson.call(caisson.north.key, `/api/ext/acme.${parts.name}/`);
}

/** Whatever a guest did, the next call of another one is served. */
async function expectNextCallWorks(): Promise<void> {
  const next = await caisson.call(caisson.north.key, "/api/ext/acme.well-behaved/");
  expect(next).toMatchObject({ status: 200, body: "hello\n" });
}

test("call ends an infinite loop at its deadline [GUEST-LOOP]", async () => {
  const answer = await callGuest("loop", { name: "loop-ended", limits: { deadlineMs: 200 } });
  expect(answer).toMatchObject({ status: 504, code: "deadline.exceeded" });
  await expectNextCallWorks();
});

test("call serves a guest that returns before its deadline [GUEST-LOOP twin]", async () => {
  const answer = await callGuest("hello", { name: "loop-served", limits: { deadlineMs: 200 } });
  expect(answer).toMatchObject({ status: 200 });
});

test("call ends a guest that grows over its memory [GUEST-MEMORY]", async () => {
  const limits = { memoryBytes: 16 * MIB };
  for (const guest of ["memory-fits", "memory-bomb"]) {
    const answer = await callGuest(guest, { name: `${guest}-ended`, limits });
    expect(answer).toMatchObject({ status: 500, code: "guest.memory" });
    await expectNextCallWorks();
  }
});

test("call serves a guest that grows within its memory [GUEST-MEMORY twin]", async () => {
  const limits = { memoryBytes: 32 * MIB };
  const answer = await callGuest("memory-fits", { name: "memory-served", limits });
  expect(answer).toMatchObject({ status: 200 });
});

test("call sums the memories of a guest: two of 20 MiB are over 32 [GUEST-MEMORIES]", async () => {
  const limits = { memoryBytes: 32 * MIB };
  const answer = await callGuest("two-memories", { name: "memories-ended", limits });
  expect(answer).toMatchObject({ status: 500, code: "guest.memory" });
  await expectNextCallWorks();
});

test("call serves two memories that fit together [GUEST-MEMORIES twin]", async () => {
  const limits = { memoryBytes: 64 * MIB };
  const answer = await callGuest("two-memories", { name: "memories-served", limits });
  expect(answer).toMatchObject({ status: 200 });
});

test("call ends a guest that recurses without end, and keeps the process [GUEST-RECURSION]", async () => {
  const answer = await callGuest("deep-recursion", { name: "recursion-ended" });
  expect(answer).toMatchObject({ status: 500, code: "guest.trap" });
  await expectNextCallWorks();
});

test("call serves a guest that recurses within its stack [GUEST-RECURSION twin]", async () => {
  const answer = await callGuest("shallow-recursion", { name: "recursion-served" });
  expect(answer).toMatchObject({ status: 200, body: "hello\n" });
});

test("call answers a trap with its code and none of the half-written answer [GUEST-TRAP]", async () => {
  const answer = await callGuest("trap", { name: "trap-ended" });
  expect(answer).toMatchObject({ status: 500, code: "guest.trap" });
  expect(answer.body).not.toContain("hello");
  await expectNextCallWorks();
});

test("call serves the answer of a guest that does not trap [GUEST-TRAP twin]", async () => {
  const answer = await callGuest("hello", { name: "trap-served" });
  expect(answer).toMatchObject({ status: 200, body: "hello\n" });
});

/** Lines and bytes of the log that the record of a call tells, and the lines that are kept. */
async function loggedBy(guest: string): Promise<Readonly<Record<string, number>>> {
  expect(await callGuest(guest, { name: guest, capabilities: ["log"] })).toMatchObject({
    status: 200,
  });
  return until("the record and its lines", async () => {
    const [row] = await caisson.sql(
      "select log_lines, dropped_log_lines, log_bytes, (select count(*)::int from extension_log l where l.execution_id = e.id) as kept from extension_execution_log e where extension_id = $1",
      [`acme.${guest}`],
    );
    if (row === undefined || row["kept"] !== row["log_lines"]) return null;
    return row as Record<string, number>; // four integers
  });
}

test("log lines over a call's budget are dropped, and the record counts them [LOG-BUDGET]", async () => {
  const {
    log_lines: lines = 0,
    dropped_log_lines: dropped = 0,
    log_bytes: bytes = 0,
  } = await loggedBy("log-writer");
  expect(bytes).toBeLessThanOrEqual(65_536);
  expect(lines).toBeGreaterThan(100);
  expect(lines + dropped).toBe(300);
});

test("log lines within a call's budget are kept, all of them [LOG-BUDGET twin]", async () => {
  expect(await loggedBy("log-few")).toMatchObject({
    log_lines: 10,
    dropped_log_lines: 0,
    log_bytes: 4_000,
    kept: 10,
  });
});
