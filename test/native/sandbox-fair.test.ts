import { expect, test } from "vitest";
import type { Answer, RunningCall } from "./harness.ts";
import { Rig } from "./harness.ts";

const LONG = { deadlineMicros: 60_000_000 };
const A = { tenant: Buffer.alloc(8, 0xa), deadlineMs: 60_000 };
const B = { tenant: Buffer.alloc(8, 0xb), deadlineMs: 60_000 };

function many(count: number, start: () => RunningCall): RunningCall[] {
  return Array.from({ length: count }, start);
}

function codesOf(calls: readonly RunningCall[]): Promise<string[]> {
  return Promise.all(
    calls.map(async ({ answer }) => {
      const { result } = await answer;
      return result.outcome === "done" ? "done" : result.code;
    }),
  );
}

/** A refusal comes back after the calls before it were taken in. */
async function takenIn(rig: Rig): Promise<void> {
  await rig.answer(Buffer.alloc(16, 99));
}

/** The calls that have their result by now. */
async function overNow(rig: Rig, calls: readonly RunningCall[]): Promise<Answer[]> {
  const over: Answer[] = [];
  for (const { answer } of calls) void answer.then((each) => over.push(each));
  await takenIn(rig);
  return over;
}

test("sandbox takes calls into a full queue of one tenant from another, and sheds as many of the first's newest", async () => {
  await using rig = await Rig.start({ slots: 2, queue: 8 });
  const loop = await rig.admit("loop", A);
  const hello = await rig.admit("hello", B);
  const flood = many(40, () => rig.call(loop, LONG));
  await takenIn(rig);
  const own = many(3, () => rig.call(hello, LONG));
  const over = await overNow(rig, flood);
  // Two run and eight wait; then three of those that wait gave way.
  expect(over.map(({ result }) => result.code)).toEqual(
    Array.from({ length: 33 }, () => "runner.capacity"),
  );
  for (const { call } of flood) call.cancel("client");
  expect(await codesOf(own)).toEqual(["done", "done", "done"]);
  // Who holds fewer than its share of a full queue is not shed; who comes with most is.
  expect((await codesOf(flood)).slice(0, 7)).toEqual(
    Array.from({ length: 7 }, () => "call.cancelled"),
  );
});

test("sandbox starts waiting calls in turns of their tenants, not in the order in which they came", async () => {
  await using rig = await Rig.start({ slots: 1, queue: 64 });
  const loop = await rig.admit("loop", A);
  const [ofA, ofB] = [await rig.admit("hello", A), await rig.admit("hello", B)];
  const held = rig.call(loop, LONG);
  const order: string[] = [];
  const follow = (name: string, { answer }: RunningCall) => answer.then(() => order.push(name));
  const all = [
    ...many(40, () => rig.call(ofA, LONG)).map((each) => follow("a", each)),
    ...many(5, () => rig.call(ofB, LONG)).map((each) => follow("b", each)),
  ];
  await takenIn(rig);
  held.call.cancel("client");
  await Promise.all(all);
  expect(order.filter((name) => name === "b")).toHaveLength(5);
  // In the order of their coming they would be the last five of 45.
  expect(order.lastIndexOf("b")).toBeLessThan(20);
});

test("sandbox keeps slots free of a tenant whose calls do not end, for whoever comes next", async () => {
  await using rig = await Rig.start({ slots: 16, queue: 64 });
  const loop = await rig.admit("loop", A);
  const flood = many(40, () => rig.call(loop, LONG));
  await takenIn(rig);
  const hello = await rig.admit("hello", B);
  const answers = await Promise.all(many(10, () => rig.call(hello, LONG)).map((c) => c.answer));
  expect(answers.map(({ body }) => body)).toEqual(answers.map(() => "hello\n"));
  expect(await overNow(rig, flood)).toEqual([]);
});

test("sandbox lets a guest that needs many turns come to its end beside another tenant's loops", async () => {
  await using rig = await Rig.start({ slots: 64, queue: 64 });
  const loop = await rig.admit("loop", A);
  const flood = many(40, () => rig.call(loop, LONG));
  await takenIn(rig);
  const turns = await rig.admit("many-turns", B);
  expect((await rig.answer(turns, LONG)).body).toBe("hello\n");
  expect(await overNow(rig, flood)).toEqual([]);
});
