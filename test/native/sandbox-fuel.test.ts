import { afterAll, beforeAll, expect, test } from "vitest";
import { readFingerprint } from "#runner";
import { grantFor, guestCode, Rig } from "./harness.ts";
import { nativePaths } from "./native-paths.ts";

const PLENTY = 1_000_000_000;
let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start({ runnerClass: "fuel" });
});
afterAll(() => rig[Symbol.asyncDispose]());

async function fuelOf(guest: string): Promise<number> {
  const { result } = await rig.answer(await rig.admit(guest, { fuel: PLENTY }));
  expect(result.outcome).toBe("done");
  return result.usage.fuel;
}

test("each class has code and a fingerprint of its own", async () => {
  const { compiler } = nativePaths();
  expect(rig.sandbox.fingerprint).toBe(await readFingerprint(compiler, "fuel"));
  expect(rig.sandbox.fingerprint).not.toBe(await readFingerprint(compiler, "epoch"));
  await expect(rig.sandbox.load(await guestCode("hello", "epoch"))).rejects.toMatchObject({
    reason: "load.engine",
  });
});

test("the same work uses the same fuel, a thousand times", async () => {
  const fuel = await fuelOf("hello");
  const handle = await rig.admit("hello", { fuel: PLENTY });
  for (let batch = 0; batch < 10; batch++) {
    const answers = await Promise.all(Array.from({ length: 100 }, () => rig.answer(handle)));
    expect(new Set(answers.map(({ result }) => result.usage.fuel))).toEqual(new Set([fuel]));
  }
});

test("a call that has exactly what it uses is answered; with one unit less it is stopped", async () => {
  for (const guest of ["hello", "fill", "many-turns"]) {
    const fuel = await fuelOf(guest);
    const enough = await rig.answer(await rig.admit(guest, { fuel }));
    expect(enough.result).toMatchObject({ outcome: "done", usage: { fuel } });
    const short = await rig.answer(await rig.admit(guest, { fuel: fuel - 1 }));
    expect(short.result).toMatchObject({ outcome: "trapped", code: "guest.fuel" });
    expect(short.result.usage.fuel).toBe(fuel - 1);
    expect(short.response).toBeNull();
  }
});

test("an endless loop ends when its fuel does, and at its deadline where that comes first", async () => {
  const handle = await rig.admit("loop", { fuel: 1_000_000 });
  const ends = await Promise.all(Array.from({ length: 8 }, () => rig.answer(handle)));
  for (const { result } of ends)
    expect(result).toMatchObject({ code: "guest.fuel", usage: { fuel: 1_000_000 } });
  const late = await rig.answer(await rig.admit("loop", { fuel: 1_000_000_000_000 }), {
    deadlineMicros: 200_000,
  });
  expect(late.result).toMatchObject({ outcome: "deadline", code: "deadline.exceeded" });
  // Of such a call the engine tells what it had written down by then.
  expect(late.result.usage.fuel).toBeGreaterThan(0);
});

test("bytes moved in bulk are charged one by one", async () => {
  expect(await fuelOf("fill")).toBeGreaterThan(65_536);
});

test("a grant with fuel is for a sandbox that counts it, and one without for the other", async () => {
  await using epoch = await Rig.start();
  const load = await epoch.sandbox.load(await guestCode("hello"));
  const handle = Buffer.alloc(16, 9);
  await expect(epoch.sandbox.grant(grantFor(load.id, handle, { fuel: 1 }))).rejects.toMatchObject({
    reason: "grant.class",
  });
  const counted = await rig.sandbox.load(await guestCode("hello", "fuel"));
  await expect(rig.sandbox.grant(grantFor(counted.id, handle))).rejects.toMatchObject({
    reason: "grant.class",
  });
});
