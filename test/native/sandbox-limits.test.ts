import { afterAll, beforeAll, expect, test } from "vitest";
import { Rig } from "./harness.ts";
import type { Answer } from "./harness.ts";

let rig: Rig;
let hello: Uint8Array;

beforeAll(async () => {
  rig = await Rig.start();
  hello = await rig.admit("hello");
});
afterAll(() => rig[Symbol.asyncDispose]());

/** The same process serves the next call as if nothing had been. */
async function expectNextCallWorks(): Promise<void> {
  const next = await rig.answer(hello);
  expect(next.result).toMatchObject({ outcome: "done", code: "", rung: 0 });
  expect(next.body).toBe("hello\n");
}

function expectNoAnswer(answer: Answer): void {
  expect(answer.response).toBeNull();
  expect(answer.bytes).toHaveLength(0);
}

test("sandbox answers a call with its response, then one result with its usage", async () => {
  const { response, body, result } = await rig.answer(hello);
  expect(response).toEqual({ status: 200, headers: [["content-type", "text/plain"]] });
  expect(body).toBe("hello\n");
  expect(result.usage).toMatchObject({ bytesIn: 0, bytesOut: 6, logLines: 0 });
  expect(result.usage.peakMemoryBytes).toBeGreaterThanOrEqual(131_072);
});

test.each([
  ["trap", "trapped", "guest.trap"],
  ["deep-recursion", "trapped", "guest.stack"],
  ["memory-bomb", "memory", "guest.memory"],
  ["bad-status", "response-invalid", "response.status"],
])(
  "sandbox ends %s as %s with %s, gives no half answer, and serves on",
  async (guest, outcome, code) => {
    const answer = await rig.answer(await rig.admit(guest));
    expect(answer.result).toMatchObject({ outcome, code });
    expectNoAnswer(answer);
    await expectNextCallWorks();
  },
);

test("sandbox stops an infinite loop at its deadline by an epoch check, and serves others meanwhile", async () => {
  const loop = rig.call(await rig.admit("loop"), { deadlineMicros: 300_000 });
  await expectNextCallWorks();
  const answer = await loop.answer;
  expect(answer.result).toMatchObject({ outcome: "deadline", code: "deadline.exceeded", rung: 1 });
  expect(answer.result.usage.wallUs).toBeGreaterThanOrEqual(300_000);
  expectNoAnswer(answer);
  await expectNextCallWorks();
});

test("sandbox shrinks a call's deadline to the grant's", async () => {
  const { result } = await rig.answer(await rig.admit("loop", { deadlineMs: 100 }), {
    deadlineMicros: 20_000_000,
  });
  expect(result).toMatchObject({ outcome: "deadline", code: "deadline.exceeded" });
});

test("sandbox refuses a call without remaining time", async () => {
  expect((await rig.answer(hello, { deadlineMicros: 0 })).result).toMatchObject({
    outcome: "refused",
    code: "deadline.missing",
  });
  expect((await rig.answer(hello, { deadlineMicros: 20_000_000 })).result.outcome).toBe("done");
});

test("sandbox sums memory over the Store: 20 MiB fit under 32, two memories of 20 MiB do not", async () => {
  expect((await rig.answer(await rig.admit("memory-fits"))).result.outcome).toBe("done");
  const both = await rig.admit("two-memories");
  expect((await rig.answer(both)).result).toMatchObject({
    outcome: "memory",
    code: "guest.memory",
  });
  const larger = await rig.admit("two-memories", { memoryBytes: 64 << 20 });
  expect((await rig.answer(larger)).result).toMatchObject({ outcome: "done" });
  await expectNextCallWorks();
});

test("sandbox lets a caller shrink a limit, never raise it", async () => {
  const fits = await rig.admit("memory-fits");
  expect((await rig.answer(fits, { memoryBytes: 8 << 20 })).result.outcome).toBe("memory");
  const bomb = await rig.answer(await rig.admit("memory-bomb", { memoryBytes: 16 << 20 }), {
    memoryBytes: 0xffff_ffff,
  });
  expect(bomb.result.outcome).toBe("memory");
  expect(bomb.result.usage.peakMemoryBytes).toBeLessThanOrEqual(16 << 20);
});

test("sandbox streams bodies both ways under credit", async () => {
  const body = Buffer.alloc(3_000_000, "0123456789abcdef");
  const { bytes, result } = await rig.answer(await rig.admit("echo"), { body, method: "POST" });
  expect(result).toMatchObject({
    outcome: "done",
    usage: { bytesIn: body.length, bytesOut: body.length },
  });
  expect(bytes.equals(body)).toBe(true);
});

test("sandbox caps request and response bodies", async () => {
  const body = Buffer.alloc(100_000);
  const echo = await rig.admit("echo", { requestBytes: 100_000, responseBytes: 100_000 });
  expect((await rig.answer(echo, { body })).result.outcome).toBe("done");
  expect((await rig.answer(echo, { body: Buffer.alloc(100_001) })).result).toMatchObject({
    outcome: "refused",
    code: "request.too-large",
  });
  expect((await rig.answer(echo, { body, responseBytes: 99_999 })).result).toMatchObject({
    outcome: "response-invalid",
    code: "response.too-large",
  });
  await expectNextCallWorks();
});

test("sandbox caps the log by lines and bytes, cuts at a character, and counts what it drops", async () => {
  const handle = await rig.admit("log-writer");
  const { result } = await rig.answer(handle);
  expect(result.usage).toMatchObject({ logLines: 164, droppedLogLines: 136, logBytes: 65_536 });
  await rig.sandbox.ping();
  const lines = rig.logs.flatMap((log) => log.lines);
  expect(lines).toHaveLength(164);
  expect(lines[0]).toMatchObject({ level: "warn", text: "é".repeat(200) });
  expect(Buffer.from(lines[0]?.handle ?? []).equals(handle)).toBe(true);
  expect(lines.at(-1)?.text).toBe("é".repeat(168));
  const few = await rig.answer(await rig.admit("log-writer", { logLines: 3, logBytes: 601 }));
  expect(few.result.usage).toMatchObject({ logLines: 2, logBytes: 600 });
});

test("sandbox gives every instance its own randomness", async () => {
  const handle = await rig.admit("random");
  const seen = new Set<string>();
  for (let n = 0; n < 20; n++) seen.add((await rig.answer(handle)).bytes.toString("hex"));
  expect(seen.size).toBe(20);
});
