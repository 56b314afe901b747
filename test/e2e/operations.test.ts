import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { metricTable } from "../../src/core/contract/index.ts";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { MetricDefinition } from "../../src/core/contract/index.ts";
import type { Caisson } from "./caisson.ts";
import { childrenOf } from "./children.ts";
import { startCaisson } from "./start-caisson.ts";
import { until } from "./until.ts";

const OFFSETS = { supervisor: 10, control: 11, gateway: 12, runner: 13, broker: 14 } as const;
type ProcessName = keyof typeof OFFSETS;
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/;

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
  await caisson.serve({
    name: "steady",
    guest: "echo",
    endpoints: [{ method: "POST", path: "/" }],
    limits: { deadlineMs: 15_000 },
  });
  await caisson.serve({ name: "falls", guest: "trap" });
});
afterAll(() => caisson[Symbol.asyncDispose]());

function get(
  port: number,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, host: "127.0.0.1", headers, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asked.once("error", reject).end();
  });
}

function ask(name: ProcessName, path: string): Promise<{ status: number; body: string }> {
  return get(caisson.gatewayPort - 1 + OFFSETS[name], path);
}

async function valueOf(process: ProcessName, line: string): Promise<number> {
  const { body } = await ask(process, "/metrics");
  const found = body.split("\n").find((text) => text.startsWith(`${line} `));
  return Number(found?.slice(line.length + 1) ?? Number.NaN);
}

function linesOf(event: string): Record<string, unknown>[] {
  return caisson.output
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as Record<string, unknown>) // our own lines
    .filter((line) => line.event === event);
}

test.each(Object.keys(OFFSETS) as ProcessName[])(
  "%s shows its metrics, that it answers and that it is ready",
  async (name) => {
    expect(await ask(name, "/healthz")).toEqual({ status: 200, body: '{"status":"ok"}' });
    await until(`${name} to be ready`, async () =>
      (await ask(name, "/readyz")).status === 200 ? true : null,
    );
    const { status, body } = await ask(name, "/metrics");
    expect(status).toBe(200);
    const expected = Object.entries<MetricDefinition>(metricTable)
      .filter(([, { of }]) => of.includes(name))
      .map(([metric]) => metric);
    const shown = [...body.matchAll(/^# TYPE (caisson_\S+)/gm)].map(([, metric]) => metric);
    expect(new Set(shown)).toEqual(new Set(expected));
    expect(body).toContain("process_cpu_seconds_total");
    expect(body).not.toMatch(UUID);
    expect(body).not.toContain("sha256:");
  },
);

test("an operations server answers nothing but its three paths, to nobody but this machine", async () => {
  const port = caisson.gatewayPort - 1 + OFFSETS.control;
  expect((await get(port, "/v1/tenants")).status).toBe(404);
  expect((await get(port, "/metrics", { host: "rebound.example" })).status).toBe(421);
  expect((await get(port, "/metrics", { host: `localhost:${port}` })).status).toBe(200);
});

test("answers are counted by code, verdicts by door, and what failed has a line that says whose it was", async () => {
  const answers = (code: string) =>
    valueOf("gateway", `caisson_gateway_answers_total{code="${code}"}`);
  const before = (await answers("ok")) || 0;
  const body = Buffer.from("hello");
  expect(
    (await caisson.call(caisson.north.key, "/api/ext/acme.steady", { method: "POST", body }))
      .status,
  ).toBe(200);
  expect((await caisson.call(caisson.north.key, "/api/ext/acme.falls")).code).toBe("guest.trap");
  expect((await caisson.call(caisson.south.key, "/api/ext/acme.falls")).code).toBe(
    "install.unknown",
  );
  expect(await answers("ok")).toBe(before + 1);
  expect(await answers("install.unknown")).toBeGreaterThan(0);
  expect(await valueOf("gateway", "caisson_gateway_call_seconds_count")).toBeGreaterThan(1);
  expect(
    await valueOf("control", 'caisson_door_verdicts_total{door="publish",outcome="allow"}'),
  ).toBe(2);
  expect(await valueOf("runner", 'caisson_door_verdicts_total{door="load",outcome="allow"}')).toBe(
    2,
  );
  const ended = await until("the line", () => Promise.resolve(linesOf("call.ended")[0] ?? null));
  expect(ended).toMatchObject({
    tenant: caisson.north.id,
    extension: "acme.falls",
    version: "1.0.0",
    content_hash: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
    outcome: "trapped",
    requestId: expect.stringMatching(UUID) as string,
  });
  expect(linesOf("call.refused").at(-1)).toMatchObject({
    tenant: caisson.south.id,
    extension: "acme.falls",
    code: "install.unknown",
  });
  expect(
    linesOf("verdict").map(({ door, outcome }) => `${String(door)} ${String(outcome)}`),
  ).toContain("publish allow");
});

test("whoever sends refused requests cannot flood the log: what is over the rate is counted", async () => {
  const dropped = () => valueOf("gateway", "caisson_gateway_log_lines_dropped_total");
  const from = linesOf("call.refused").length;
  await until("lines to be dropped", async () => {
    await Promise.all(
      Array.from({ length: 200 }, () => caisson.call("csk_none", "/api/ext/acme.steady")),
    );
    return (await dropped()) > 0 ? true : null;
  });
  const written = linesOf("call.refused").length - from;
  const refused = await valueOf("gateway", 'caisson_gateway_answers_total{code="auth.required"}');
  expect(written).toBeLessThan(refused);
});

test("a sandbox that ends is counted, and the runner is ready with another one", async () => {
  const before = await valueOf("runner", "caisson_sandbox_ends_total");
  const [sandbox] = childrenOf(caisson.pidOf("runner"), "caisson-sandbox");
  process.kill(sandbox ?? 0, "SIGKILL");
  await until("the end to be counted", async () =>
    (await valueOf("runner", "caisson_sandbox_ends_total")) === before + 1 ? true : null,
  );
  await until("another sandbox", async () =>
    (await ask("runner", "/readyz")).status === 200 ? true : null,
  );
});

test("control without its database says so", async () => {
  const database = postgresOf(caisson.supervisorPid);
  for (const pid of database) process.kill(pid, "SIGSTOP");
  try {
    await until("control to notice", async () => {
      const { status, body } = await ask("control", "/readyz");
      return status === 503 && body.includes('{"name":"database","ok":false}') ? true : null;
    });
  } finally {
    for (const pid of database.toReversed()) process.kill(pid, "SIGCONT");
  }
  await until("control to be ready again", async () =>
    (await ask("control", "/readyz")).status === 200 ? true : null,
  );
});

/** The database's processes, those that make others first. */
function postgresOf(parent: number): number[] {
  return childrenOf(parent, "postgres").flatMap((pid) => [pid, ...postgresOf(pid)]);
}

/** A POST whose answerer has its head and the first half of its body. */
function halfSent(
  port: number,
  path: string,
  { key, halves }: { readonly key: string; readonly halves: readonly [string, string] },
): { readonly finish: () => void; readonly answer: Promise<string> } {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const headers = {
    authorization: `Bearer ${key}`,
    "content-type": "application/json",
    "content-length": String(halves.join("").length),
  };
  const open = request(
    { port, path, headers, host: "127.0.0.1", method: "POST", agent: false },
    (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      response.once("end", () => resolve(`${response.statusCode} ${body}`)).once("error", reject);
    },
  );
  open.once("error", reject);
  open.write(halves[0]);
  return { answer: promise, finish: () => void open.end(halves[1]) };
}

test("a gateway that is asked to stop finishes the calls inside, takes no new ones, and loses no record", async () => {
  const inside = halfSent(caisson.gatewayPort, "/api/ext/acme.steady", {
    key: caisson.north.key,
    halves: ["first", "-last"],
  });
  await until("the call to be inside", async () =>
    (await valueOf("gateway", "caisson_gateway_open_calls")) === 1 ? true : null,
  );
  const gateway = caisson.pidOf("gateway");
  process.kill(gateway, "SIGTERM");
  await until("it to leave", async () => {
    const { status, body } = await ask("gateway", "/readyz");
    return status === 503 && body.includes('{"name":"not-leaving","ok":false}') ? true : null;
  });
  await expect(get(caisson.gatewayPort, "/healthz")).rejects.toThrow("ECONNREFUSED");
  inside.finish();
  expect(await inside.answer).toBe("200 first-last");
  await until("another gateway", async () =>
    (await ask("gateway", "/readyz").catch(() => null))?.status === 200 ? true : null,
  );
  expect(await valueOf("supervisor", 'caisson_process_restarts_total{name="gateway"}')).toBe(1);
  await until("the call's record", async () => {
    const rows = await caisson.sql(
      "select 1 from extension_execution_log where bytes_in = 10 and outcome = 'done'",
    );
    return rows.length === 1 ? true : null;
  });
});

test("control that is asked to stop answers what it was asked", async () => {
  const asked = halfSent(Number(new URL(caisson.operator.url).port), "/v1/tenants", {
    key: caisson.operator.key,
    halves: ['{"name":', '"late"}'],
  });
  const before = caisson.pidOf("control");
  const leaving = () => linesOf("control.leaving").length;
  const left = leaving();
  // A request behind it on another connection has been answered: so its head is there.
  await call(caisson.operator, operations.tenantList, {});
  process.kill(before, "SIGTERM");
  await until("it to leave", () => Promise.resolve(leaving() > left ? true : null));
  asked.finish();
  expect(await asked.answer).toContain('200 {"id":');
  await until("another control", async () =>
    (await ask("control", "/readyz").catch(() => null))?.status === 200 ? true : null,
  );
  const names = await caisson.sql("select name from tenant where name = 'late'");
  expect(names).toHaveLength(1);
});
