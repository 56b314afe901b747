import { afterAll, beforeAll, expect, test } from "vitest";
import type { Caisson } from "../e2e/caisson.ts";
import { installSource, publishSource, serveSource } from "../e2e/serve-source.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";

/** Gives the points of its request's body. */
const SOURCE = `
import * as metrics from "caisson:metrics/instruments@1.0.0";
import { OutgoingBody } from "caisson:ext/types@1.0.0";
export const handler = {
  handle(request) {
    for (const [kind, name, value, labels = []] of JSON.parse(new TextDecoder().decode(request.body.readAll(1_000_000))))
      metrics[kind](name, value ?? Number.NaN, labels);
    return { status: 200, headers: [], body: new OutgoingBody() };
  },
};
`;
const INSTRUMENTS = [
  { name: "orders_total", kind: "counter", labels: ["country"] },
  { name: "queue", kind: "gauge" },
  { name: "order_seconds", kind: "histogram", labels: ["country"], buckets: [0.1, 1] },
];
const parts = (name: string) => ({
  name,
  source: SOURCE,
  capabilities: { metrics: { instruments: INSTRUMENTS } },
  deadlineMs: 5_000,
  endpoints: [{ method: "POST", path: "/" }],
});

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
  await serveSource(caisson, parts("shop"));
});
afterAll(() => caisson[Symbol.asyncDispose]());

type Point = readonly [
  kind: string,
  name: string,
  value: number | null,
  labels?: readonly string[],
];

/** Makes one call that gives these points. */
async function give(name: string, points: readonly Point[], tenant = caisson.north): Promise<void> {
  const { status } = await caisson.call(tenant.key, `/api/ext/acme.${name}/`, {
    method: "POST",
    body: Buffer.from(JSON.stringify(points)),
  });
  expect(status).toBe(200);
}

/** What the runner shows of an extension, a line a figure, without whose install it is. */
async function shown(extension: string): Promise<string[]> {
  const port = caisson.gatewayPort - 1 + 13;
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.includes(`extension="acme.${extension}"`))
    .map((line) => line.replace(/extension="[^"]*",install="[0-9a-f-]{36}",?/, ""));
}

/** Points leave with the end of their call, a moment before its answer is read here. */
function untilShown(extension: string, wanted: string): Promise<string[]> {
  return until(wanted, async () => {
    const lines = await shown(extension);
    return lines.includes(wanted) ? lines : null;
  });
}

test("counters add up over calls, gauges stand at their last value, histograms count by bucket", async () => {
  await give("shop", [
    ["add", "orders_total", 2, ["de"]],
    ["set", "queue", 7],
    ["observe", "order_seconds", 0.05, ["de"]],
    ["observe", "order_seconds", 0.5, ["de"]],
  ]);
  await give("shop", [
    ["add", "orders_total", 1.5, ["de"]],
    ["set", "queue", 3],
    ["observe", "order_seconds", 5, ["de"]],
  ]);
  const lines = await untilShown("shop", "caisson_guest_queue{} 3");
  expect(lines).toEqual(
    expect.arrayContaining([
      'caisson_guest_orders_total{country="de"} 3.5',
      'caisson_guest_order_seconds_histogram_bucket{country="de",le="0.1"} 1',
      'caisson_guest_order_seconds_histogram_bucket{country="de",le="1"} 2',
      'caisson_guest_order_seconds_histogram_bucket{country="de",le="+Inf"} 3',
      'caisson_guest_order_seconds_histogram_sum{country="de"} 5.55',
      'caisson_guest_order_seconds_histogram_count{country="de"} 3',
    ]),
  );
});

test("figures of an install go with it, and those of two installs stay apart", async () => {
  await serveSource(caisson, parts("twice"));
  await installSource(caisson, caisson.south, "twice");
  await give("twice", [["set", "queue", 1]]);
  await give("twice", [["set", "queue", 2]], caisson.south);
  await untilShown("twice", "caisson_guest_queue{} 2");
  expect(await shown("twice")).toContain("caisson_guest_queue{} 1");
  await caisson.uninstall(caisson.south, "acme.twice");
  await until("the figures to go", async () =>
    (await shown("twice")).includes("caisson_guest_queue{} 2") ? null : true,
  );
  expect(await shown("twice")).toContain("caisson_guest_queue{} 1");
});

/** Gives one point for each of so many label values, in calls of at most 200; the lines of the counter. */
async function countedBy(name: string, values: number): Promise<string[]> {
  await serveSource(caisson, parts(name));
  for (let at = 0; at < values; at += 200)
    await give(
      name,
      Array.from({ length: Math.min(200, values - at) }, (_, i): Point => [
        "add",
        "orders_total",
        1,
        [`c${at + i}`],
      ]),
    );
  await give(name, [["set", "queue", 1]]); // a call that began after the others ended
  const lines = await untilShown(name, "caisson_guest_queue{} 1");
  return lines.filter((line) => line.startsWith("caisson_guest_orders_total"));
}

test("an install has at most 256 series of its own choice, what is over is counted together [METRICS-SERIES]", async () => {
  const lines = await countedBy("many", 400);
  expect(lines).toHaveLength(257);
  expect(lines).toContain('caisson_guest_orders_total{country="_overflow"} 144');
});

test("an install's series within the bound stay as they are [METRICS-SERIES twin]", async () => {
  const lines = await countedBy("few", 200);
  expect(lines).toHaveLength(200);
  expect(lines).toContain('caisson_guest_orders_total{country="c199"} 1');
});

test("what the signed config does not declare is not shown [METRICS-DECLARED]", async () => {
  await give("shop", [
    ["add", "undeclared_total", 1],
    ["add", "orders_total", 100, ["de", "more"]],
    ["set", "orders_total", 100, ["fr"]],
    ["add", "orders_total", -1, ["fr"]],
    ["add", "orders_total", null, ["fr"]],
    ["set", "queue", 41],
  ]);
  const lines = await untilShown("shop", "caisson_guest_queue{} 41");
  expect(lines.filter((line) => /undeclared|fr|100|NaN/.test(line))).toEqual([]);
});

test("what the signed config declares is shown [METRICS-DECLARED twin]", async () => {
  await give("shop", [
    ["add", "orders_total", 1, ["it"]],
    ["set", "queue", 42],
  ]);
  expect(await untilShown("shop", "caisson_guest_queue{} 42")).toContain(
    'caisson_guest_orders_total{country="it"} 1',
  );
});

/** What is shown after a call that counted one under this label value. */
async function countedUnder(value: string, queue: number): Promise<string[]> {
  await give("shop", [
    ["add", "orders_total", 1, [value]],
    ["set", "queue", queue],
  ]);
  return untilShown("shop", `caisson_guest_queue{} ${queue}`);
}

test("a label's value never becomes a figure or a label of its own [METRICS-TEXT]", async () => {
  const value = 'x"} 1\ncaisson_ready{a="\\';
  expect(await countedUnder(value, 51)).toContain(
    'caisson_guest_orders_total{country="x\\"} 1\\ncaisson_ready{a=\\"\\\\"} 1',
  );
});

test("a label's value without signs of the format stays as it is [METRICS-TEXT twin]", async () => {
  expect(await countedUnder("plain value", 52)).toContain(
    'caisson_guest_orders_total{country="plain value"} 1',
  );
});

test("publish refuses a label that says whose a figure is", async () => {
  const labels = ["install"];
  const instruments = [{ name: "orders_total", kind: "counter", labels }];
  await expect(
    publishSource(caisson, { ...parts("liar"), capabilities: { metrics: { instruments } } }),
  ).rejects.toThrow(/labels/);
});
