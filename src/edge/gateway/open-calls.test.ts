import { expect, test } from "vitest";
import { OpenCalls } from "./open-calls.ts";

test("OpenCalls.freeFrom() passes over the places of calls that stay, and gives growing odd streams", () => {
  const calls = new OpenCalls<{ stream: number }>();
  const stays = { stream: 1 };
  calls.add(stays);
  let last = 1;
  for (let n = 0; n < 50_000; n++) {
    const stream = calls.freeFrom(last + 2) ?? 0;
    expect(stream % 2 === 1 && stream > last).toBe(true);
    const call = { stream };
    calls.add(call);
    expect(calls.get(stream)).toBe(call);
    calls.remove(call);
    last = stream;
  }
  expect(calls.get(1)).toBe(stays);
  expect(calls.takeAll()).toEqual([stays]);
  expect(calls.count).toBe(0);
});

test("OpenCalls.get() knows no stream that has ended, and none that only shares a place", () => {
  const calls = new OpenCalls<{ stream: number }>();
  calls.add({ stream: 3 });
  expect(calls.get(3 + 2 * 8_192)).toBeUndefined();
  expect(calls.get(5)).toBeUndefined();
});

test("OpenCalls.freeFrom() gives nothing when every place is taken", () => {
  const calls = new OpenCalls<{ stream: number }>();
  for (let stream = calls.freeFrom(1); stream !== null; stream = calls.freeFrom(stream))
    calls.add({ stream });
  expect(calls.count).toBe(8_192);
});
