import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { CodedError } from "#trust";
import { Followed } from "./followed.ts";

/** A database that can break, and the state that follows it. */
function bench() {
  const database = { value: 0, readable: true };
  let state = 0;
  let reads = 0;
  const followed = new Followed(async () => {
    reads += 1;
    if (!database.readable) throw new Error("database away");
    state = database.value;
  });
  const set = (value: number, readableAfter = true) =>
    followed.change(async () => {
      database.value = value;
      database.readable = readableAfter;
    });
  return { database, followed, set, state: () => state, reads: () => reads };
}

test("a change is in the state when it is answered", async () => {
  const { set, state } = bench();
  await set(1);
  expect(state()).toBe(1);
});

test("a change that stands though its answer failed is read before the next one", async () => {
  const { database, followed, set, state } = bench();
  await expect(set(1, false)).rejects.toThrow("database away");
  expect(state()).toBe(0);
  database.readable = true;
  const seen = await followed.change(async () => state());
  expect(seen).toBe(1);
});

test("a change that stands though its answer failed is read soon where no other comes", async () => {
  const { database, set, state } = bench();
  await expect(set(1, false)).rejects.toThrow("database away");
  await pause(700);
  expect(state()).toBe(0);
  database.readable = true;
  await expect.poll(state, { timeout: 10_000 }).toBe(1);
});

test("a reading that refuses leaves the change to be read again", async () => {
  class Refused extends CodedError<"refused"> {}
  const said = ["refused", "read"];
  const seen: string[] = [];
  const followed = new Followed(async () => {
    if (said.shift() === "refused") throw new Refused("refused", "no");
    seen.push("read");
  });
  await expect(followed.change(() => Promise.resolve())).rejects.toThrow("no");
  await followed.change(async () => expect(seen).toEqual(["read"]));
});

test("what was refused is not read again", async () => {
  const { followed, reads } = bench();
  class Refused extends CodedError<"refused"> {}
  const refused = followed.change(() => Promise.reject(new Refused("refused", "no")));
  await expect(refused).rejects.toThrow("no");
  await followed.change(() => Promise.resolve());
  expect(reads()).toBe(1);
});
