import { expect, test } from "vitest";
import { parseExtensionConfig } from "#contract";
import type { Instrument } from "#contract";

function instrumentsOf(...instruments: readonly object[]): readonly Instrument[] {
  const config = {
    schema: 1,
    publisher: "acme",
    name: "shop",
    version: "1.0.0",
    wit: "caisson:ext@1.0.0",
    component: "main.wasm",
    endpoints: [],
    capabilities: { metrics: { instruments } },
  };
  return parseExtensionConfig(new TextEncoder().encode(JSON.stringify(config))).instruments;
}

const counter = { name: "orders_total", kind: "counter" };

test("parseExtensionConfig() reads what an extension counts", () => {
  expect(
    instrumentsOf({ ...counter, labels: ["country"] }, { name: "seconds", kind: "histogram" }),
  ).toMatchObject([
    { ...counter, labels: ["country"], buckets: [] },
    { name: "seconds", kind: "histogram", labels: [], buckets: expect.arrayContaining([0.5]) },
  ]);
  const own = { name: "seconds", kind: "histogram", buckets: [0.5, 1.5] };
  expect(instrumentsOf(own)).toMatchObject([own]);
});

test.each([
  ["a counter without its end", { ...counter, name: "orders" }],
  ["a gauge with a counter's end", { ...counter, kind: "gauge" }],
  ["a gauge with a histogram's end", { name: "x_bucket", kind: "gauge" }],
  ["an unknown kind", { ...counter, kind: "summary" }],
  ["a name with a sign", { ...counter, name: "a-b_total" }],
  ["a label of the runner", { ...counter, labels: ["extension"] }],
  ["a label twice", { ...counter, labels: ["a", "a"] }],
  ["five labels", { ...counter, labels: ["a", "b", "c", "d", "e"] }],
  ["a counter with buckets", { ...counter, buckets: [1] }],
  ["no buckets", { name: "s", kind: "histogram", buckets: [] }],
  ["buckets that do not grow", { name: "s", kind: "histogram", buckets: [1, 1] }],
  ["an unknown field", { ...counter, unit: "s" }],
])("parseExtensionConfig() refuses %s", (_what, instrument) => {
  expect(() => instrumentsOf(instrument)).toThrow();
});

test("parseExtensionConfig() refuses a name twice", () => {
  expect(() => instrumentsOf(counter, counter)).toThrow(/each name once/);
});
