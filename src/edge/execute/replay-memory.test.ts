import { expect, test } from "vitest";
import { ReplayMemory } from "./replay-memory.ts";

test("ReplayMemory takes a token once for as long as it is good", () => {
  const memory = new ReplayMemory();
  expect(memory.use("a", 60, 0)).toBe("first");
  expect(memory.use("b", 60, 1)).toBe("first");
  for (const now of [0, 1, 59, 60]) expect(memory.use("a", 60, now)).toBe("again");
});

test("ReplayMemory that is full takes none, and has room again when tokens are over", () => {
  const memory = new ReplayMemory(2);
  expect([memory.use("a", 10, 0), memory.use("b", 20, 0)]).toEqual(["first", "first"]);
  expect(memory.use("c", 30, 10)).toBe("full");
  expect(memory.use("a", 10, 10)).toBe("again");
  expect(memory.use("c", 30, 11)).toBe("first");
  expect(memory.use("d", 30, 11)).toBe("full");
  expect(memory.use("d", 40, 31)).toBe("first");
  expect(memory.size).toBe(1);
});

test("ReplayMemory forgets no token early, whatever order they come in", () => {
  const memory = new ReplayMemory(1_000);
  const good = new Map<string, number>();
  for (let now = 0; now < 200; now++) {
    const token = String(now);
    const end = now + 1 + ((now * 37) % 60);
    expect(memory.use(token, end, now)).toBe("first");
    good.set(token, end);
    for (const [used, until] of good)
      if (until > now) expect(memory.use(used, until, now)).toBe("again");
  }
  expect(memory.size).toBeLessThan(62);
});
