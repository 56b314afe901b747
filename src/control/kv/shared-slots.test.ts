import { setImmediate as settled } from "node:timers/promises";
import { expect, test } from "vitest";
import { SharedSlots } from "./shared-slots.ts";

/** Work that lasts until it is told to end; begun: in the order in which it was let in. */
function bench(slots: SharedSlots) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const take = (owner: string, name: string) =>
    slots.take(owner, () => {
      begun.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    });
  const end = async (name: string) => {
    ends.get(name)?.();
    await settled();
  };
  return { begun, take, end };
}

test("an owner has at most its share, with slots to spare", async () => {
  const { begun, take, end } = bench(new SharedSlots(4, 2));
  const all = ["a1", "a2", "a3"].map((name) => take("a", name));
  await settled();
  expect(begun).toEqual(["a1", "a2"]);
  await end("a1");
  expect(begun).toEqual(["a1", "a2", "a3"]);
  await end("a2");
  await end("a3");
  await Promise.all(all);
});

test("whoever waits is let in owner after owner, however much one of them asked before", async () => {
  const { begun, take, end } = bench(new SharedSlots(2, 2));
  for (const name of ["a1", "a2", "a3", "a4", "a5"]) void take("a", name);
  for (const name of ["b1", "b2"]) void take("b", name);
  void take("c", "c1");
  await settled();
  for (const name of ["a1", "a2", "a3", "b1", "c1", "a4"]) await end(name);
  expect(begun).toEqual(["a1", "a2", "a3", "b1", "c1", "a4", "b2", "a5"]);
});

test("work that throws gives its slot back", async () => {
  const slots = new SharedSlots(1, 1);
  await expect(slots.take("a", () => Promise.reject(new Error("broken")))).rejects.toThrow(
    "broken",
  );
  expect(await slots.take("b", () => Promise.resolve("in"))).toBe("in");
});
