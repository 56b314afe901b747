import { expect, test } from "vitest";
import { grantFor, guestCode, Rig } from "./harness.ts";

const LONG = { deadlineMicros: 20_000_000 };

test("sandbox lets calls over its slots wait, sheds those over the queue, and counts the wait", async () => {
  await using rig = await Rig.start({ slots: 2, queue: 2 });
  const loop = await rig.admit("loop");
  const hello = await rig.admit("hello");
  const running = [rig.call(loop, LONG), rig.call(loop, LONG)];
  const waiting = [rig.call(hello, LONG), rig.call(hello, LONG)];
  expect((await rig.answer(hello, LONG)).result).toMatchObject({
    outcome: "refused",
    code: "runner.capacity",
  });
  running[0]?.call.cancel("client");
  for (const { answer } of waiting)
    expect((await answer).result).toMatchObject({ outcome: "done" });
  running[1]?.call.cancel("client");
  for (const { answer } of running)
    expect((await answer).result).toMatchObject({ outcome: "cancelled", code: "call.cancelled" });
  expect((await rig.answer(hello)).result.outcome).toBe("done");
});

test("sandbox counts the wait against the deadline", async () => {
  await using rig = await Rig.start({ slots: 1 });
  const loop = rig.call(await rig.admit("loop"), LONG);
  const { result } = await rig.answer(await rig.admit("hello"), { deadlineMicros: 100_000 });
  expect(result).toMatchObject({ outcome: "deadline", rung: 0, code: "deadline.exceeded" });
  expect(result.usage.queueUs).toBeGreaterThanOrEqual(100_000);
  loop.call.cancel("client");
  expect((await loop.answer).result.outcome).toBe("cancelled");
});

test("sandbox bounds the calls of one grant and leaves room for others", async () => {
  await using rig = await Rig.start({ slots: 4 });
  const loop = await rig.admit("loop", { concurrency: 2 });
  const calls = [rig.call(loop, LONG), rig.call(loop, LONG)];
  expect((await rig.answer(loop, LONG)).result).toMatchObject({
    outcome: "refused",
    code: "grant.concurrency",
  });
  expect((await rig.answer(await rig.admit("hello"))).result.outcome).toBe("done");
  for (const { call, answer } of calls) {
    call.cancel("client");
    call.cancel("client");
    expect((await answer).result.outcome).toBe("cancelled");
  }
});

test("sandbox ends a call that waits for a body that never comes, at its deadline (rung 2)", async () => {
  await using rig = await Rig.start();
  const call = rig.client.call(
    {
      execution: Buffer.alloc(16),
      handle: await rig.admit("echo"),
      deadlineMicros: 200_000,
      memoryBytes: 0,
      responseBytes: 0,
      principal: "",
      method: "POST",
      path: "/",
      query: "",
      params: [],
      headers: [],
    },
    false,
    {
      onResponse() {},
      onData: () => true,
      onEnd() {},
      onWritable() {},
      onResult: (result) => done.resolve(result.outcome + result.rung),
    },
  );
  const done = Promise.withResolvers<string>();
  expect(await done.promise).toBe("deadline2");
  call.end();
  expect(rig.client.open).toBe(0);
});

test("sandbox refuses an unknown handle and an expired grant", async () => {
  await using rig = await Rig.start();
  const load = await rig.sandbox.load(await guestCode("hello"));
  const valid = grantFor(load.id, Buffer.alloc(16, 1));
  await rig.sandbox.grant(valid);
  await rig.sandbox.grant({ ...valid, handle: Buffer.alloc(16, 2), expiresMs: Date.now() - 1 });
  expect((await rig.answer(Buffer.alloc(16, 3))).result).toMatchObject({
    outcome: "refused",
    code: "handle.unknown",
  });
  expect((await rig.answer(Buffer.alloc(16, 2))).result).toMatchObject({
    outcome: "refused",
    code: "grant.expired",
  });
  expect((await rig.answer(valid.handle)).result.outcome).toBe("done");
  await rig.sandbox.ungrant(valid.handle);
  expect((await rig.answer(valid.handle)).result).toMatchObject({
    outcome: "refused",
    code: "handle.unknown",
  });
});

test("sandbox halts one grant with counts, and leaves others alone", async () => {
  await using rig = await Rig.start({ slots: 2 });
  const loop = await rig.admit("loop");
  const hello = await rig.admit("hello");
  const calls = [rig.call(loop, LONG), rig.call(loop, LONG), rig.call(loop, LONG)];
  const other = rig.call(hello, LONG);
  await rig.answer(Buffer.alloc(16, 99)); // a refusal comes back after the calls before it were taken in
  expect(await rig.sandbox.halt(loop, 5)).toEqual({ epoch: 5, refused: 1, unqueued: 1, killed: 2 });
  for (const { answer } of calls)
    expect((await answer).result).toMatchObject({ outcome: "cancelled", code: "call.halted" });
  expect((await other.answer).result.outcome).toBe("done");
  expect((await rig.answer(loop)).result).toMatchObject({
    outcome: "refused",
    code: "handle.unknown",
  });
});

test("sandbox frees a load with its grants and takes it again", async () => {
  await using rig = await Rig.start();
  for (let round = 0; round < 5; round++) {
    const load = await rig.sandbox.load(await guestCode("hello"));
    const grant = grantFor(load.id, Buffer.alloc(16, 1));
    await rig.sandbox.grant(grant);
    expect((await rig.answer(grant.handle)).body).toBe("hello\n");
    await rig.sandbox.unload(load);
    expect((await rig.answer(grant.handle)).result.code).toBe("handle.unknown");
  }
});
