import { request } from "node:http";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import { KV_SOURCE, steps } from "../attack/kv-cases.ts";
import { send } from "./caisson.ts";
import type { Caisson, Tenant } from "./caisson.ts";
import { RemoteMachine } from "./remote-runner.ts";
import { runCli } from "./run-cli.ts";
import type { CliRun } from "./run-cli.ts";
import { installSource, publishSource } from "./serve-source.ts";
import { startCaisson } from "./start-caisson.ts";
import { until } from "./until.ts";

const SHARED = "/api/ext/acme.shared/";
const LOOPS = "/api/ext/acme.loops/";
const ECHOES = "/api/ext/acme.echoes/";
const POST = [{ method: "POST", path: "/" }];
let machine: RemoteMachine;
let caisson: Caisson;
beforeAll(async () => {
  machine = await RemoteMachine.prepare();
  caisson = await startCaisson({ RUNNER_BASE_URL: machine.url, CAISSON_RUNNER_CA: machine.ca });
  await enrol("runner", "far", "--url", machine.url);
  await enrol("broker", "far-broker");
  machine.start();
  const limits = { deadlineMs: 20_000 };
  await caisson.serve({ name: "shared", limits });
  await caisson.install(caisson.south, "acme.shared");
  await caisson.untilRouted(caisson.south, "acme.shared");
  await caisson.serve({ name: "loops", guest: "loop", limits });
  await caisson.serve({ name: "echoes", guest: "echo", endpoints: POST, limits });
  await until("the gateway to reach the runner", async () =>
    (await answer(SHARED)) === 200 ? true : null,
  );
});
afterAll(async () => {
  await caisson?.[Symbol.asyncDispose]();
  await machine?.[Symbol.asyncDispose]();
});

function cli(...args: string[]): Promise<CliRun> {
  return runCli(args, {
    CAISSON_URL: caisson.operator.url,
    CAISSON_KEY_FILE: join(caisson.data, "keys/operator.key"),
  });
}

async function enrol(
  kind: "runner" | "broker" | "gateway",
  name: string,
  ...more: string[]
): Promise<void> {
  await enrolAt(machine.enrolment(kind), kind, name, ...more);
}

async function enrolAt(out: string, kind: string, name: string, ...more: string[]): Promise<void> {
  const run = await cli("edge", "enrol", "--kind", kind, "--name", name, "--out", out, ...more);
  if (run.exit !== 0) throw new Error(run.err);
}

/** The status of an answer, or the code of a refusal. */
async function answer(target: string, tenant: Tenant = caisson.north): Promise<number | string> {
  const { status, code } = await caisson.call(tenant.key, target);
  return code === "" ? status : code;
}

/** The record that control has of a call, once it came. */
async function recordOf(requestId: string, tenant = caisson.north) {
  return until(`the record of ${requestId}`, async () => {
    const params = { tenant: tenant.id, request: requestId };
    const found = await call(tenant, operations.executionShow, { params }).catch(() => null);
    return found?.execution ?? null;
  });
}

async function requestIdOf(target: string, init: RequestInit = {}): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${caisson.gatewayPort}${target}`, {
    ...init,
    headers: { authorization: `Bearer ${caisson.north.key}` },
  });
  await response.arrayBuffer();
  return response.headers.get("x-request-id") ?? "";
}

test("control's own machine runs neither runner nor broker where its gateway's runner is elsewhere", async () => {
  expect(() => caisson.pidOf("runner")).toThrow();
  const { json } = await cli("edge", "list", "--json");
  const { items } = json as {
    items: {
      edge: { kind: string; name: string | null; url: string | null };
      connected: boolean;
    }[];
  };
  expect(
    items
      .map(({ edge, connected }) => [edge.kind, edge.name, edge.url, connected])
      .toSorted(([a], [b]) => String(a).localeCompare(String(b))),
  ).toEqual([
    ["broker", "far-broker", null, true],
    ["gateway", null, null, true],
    ["runner", "far", machine.url, true],
  ]);
});

test("a runner on another machine answers both tenants, each in its own install alone", async () => {
  expect(await answer(SHARED)).toBe(200);
  expect(await answer(SHARED, caisson.south)).toBe(200);
  expect(await answer(ECHOES, caisson.south)).toBe("install.unknown");
});

test("records of its calls are as full as those of a sandbox on this machine", async () => {
  const body = Buffer.alloc(100_000, "x");
  const found = await recordOf(await requestIdOf(ECHOES, { method: "POST", body }));
  expect(found).toMatchObject({ outcome: "done", status: 200, code: "", endpoint: "/" });
  const { cpuUs, wallUs, peakMemoryBytes, bytesIn, bytesOut } = found.usage;
  expect([bytesIn, bytesOut]).toEqual([body.length, body.length]);
  for (const used of [cpuUs, wallUs, peakMemoryBytes]) expect(used).toBeGreaterThan(0);
});

test("bodies of ten MiB go through whole, and one byte more is refused", async () => {
  const body = Buffer.alloc(10 * 1_048_576, "0123456789");
  const { status, body: echoed } = await caisson.call(caisson.north.key, ECHOES, {
    method: "POST",
    body,
  });
  expect(status).toBe(200);
  expect(echoed === body.toString()).toBe(true);
  const over = Buffer.concat([body, Buffer.of(0)]);
  expect((await caisson.call(caisson.north.key, ECHOES, { method: "POST", body: over })).code).toBe(
    "request.too_large",
  );
});

test("it is called on while control does not answer", async () => {
  const control = caisson.pidOf("control");
  process.kill(control, "SIGSTOP");
  try {
    expect(await answer(SHARED)).toBe(200);
  } finally {
    process.kill(control, "SIGCONT");
  }
});

test("a guest there has its keys through that machine's broker, each tenant its own", async () => {
  const parts = { source: KV_SOURCE, capabilities: { "storage.kv": {} }, deadlineMs: 20_000 };
  await publishSource(caisson, { name: "keeper", endpoints: POST, ...parts });
  for (const tenant of [caisson.north, caisson.south])
    await installSource(caisson, tenant, "keeper");
  const [put, get] = [
    { op: "put", key: "a", value: "of north" } as const,
    { op: "get", key: "a" } as const,
  ];
  expect(await steps(caisson, caisson.north, "keeper", put)).toEqual([
    expect.stringMatching(/^revision \d+$/),
  ]);
  expect(await steps(caisson, caisson.north, "keeper", get)).toEqual(["value of north"]);
  expect(await steps(caisson, caisson.south, "keeper", get)).toEqual(["absent"]);
});

test("a call that takes too long ends at its deadline there", async () => {
  await caisson.serve({ name: "short", guest: "loop", limits: { deadlineMs: 200 } });
  const id = await requestIdOf("/api/ext/acme.short/");
  const found = await recordOf(id);
  expect(found).toMatchObject({ outcome: "deadline", status: 504 });
  expect(found.usage["cpuUs"]).toBeGreaterThan(0);
});

/** Calls that have no answer yet, as the gateway counts them. */
async function openCalls(): Promise<number> {
  const text = await (
    await fetch(`http://127.0.0.1:${caisson.gatewayPort - 1 + 12}/metrics`)
  ).text();
  return Number(/^caisson_gateway_open_calls (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}

const untilInside = () =>
  until("a call to be inside", async () => ((await machine.openCalls()) > 0 ? true : null));

test("a client that goes away ends its call there, and what it used is on record", async () => {
  const sent = request({
    port: caisson.gatewayPort,
    host: "127.0.0.1",
    agent: false,
    path: LOOPS,
    headers: { authorization: `Bearer ${caisson.north.key}` },
  });
  sent.on("error", () => {}).end();
  await untilInside();
  sent.destroy();
  await until("the call to be over", async () => ((await openCalls()) === 0 ? true : null));
  const rows = await until("its record", async () => {
    const found = await caisson.sql(
      "select outcome, cpu_us from extension_execution_log where extension_id = 'acme.loops' and outcome = 'cancelled'",
    );
    return found.length > 0 ? found : null;
  });
  expect(Number(rows[0]?.["cpu_us"])).toBeGreaterThan(0);
});

test("a halt reaches it: it acknowledges, the call inside ends, and none comes after", async () => {
  const running = answer(LOOPS);
  await untilInside();
  const target = { scope: "tenant", id: caisson.north.id } as const;
  const { missing, edges } = await call(caisson.operator, operations.fenceSet, {
    body: { ...target, reason: "test" },
  });
  const far = edges.find(({ kind }) => kind === "runner");
  expect(missing).toEqual([]);
  expect(far).toMatchObject({ edge: await machine.runnerId(), acknowledged: true, killed: 1 });
  expect(await running).toBe("call.halted");
  expect(await answer(SHARED)).toBe("call.halted");
  expect(await answer(SHARED, caisson.south)).toBe(200);
  await call(caisson.operator, operations.fenceLift, { body: target });
  await until("north to be served again", async () =>
    (await answer(SHARED)) === 200 ? true : null,
  );
});

test("an operator calls it past every gateway, with a token for that one request, and the call is on record", async () => {
  const at = ["--tenant", "south", "--runner", "far", "--runner-ca", machine.ca];
  const run = await cli("invoke", "acme.shared", "/", ...at);
  expect([run.exit, run.out]).toEqual([0, (await caisson.call(caisson.south.key, SHARED)).body]);
  const found = await recordOf(/request (\S+)/.exec(run.err)?.[1] ?? "", caisson.south);
  expect(found).toMatchObject({ outcome: "done", status: 200, extension: "acme.shared" });
  const [row] = await caisson.sql(
    "select principal_kind from extension_execution_log where id = $1",
    [found.id],
  );
  expect(row?.["principal_kind"]).toBe("operator");
  const denied = await cli("invoke", "acme.echoes", "/", "--tenant", "north", "--runner", "far");
  expect(denied.exit).toBe(5); // its authority is not among the well-known ones
});

test("a gateway of a third machine sends its calls there, too, until it is removed", async () => {
  await using third = await RemoteMachine.prepare();
  await enrolAt(third.enrolment("gateway"), "gateway", "third");
  third.start({
    CAISSON_MODE: "development",
    RUNNER_BASE_URL: machine.url,
    CAISSON_RUNNER_CA: machine.ca,
  });
  const ask = async () => {
    const headers = { authorization: `Bearer ${caisson.north.key}` };
    const { status, code } = await send(third.port + 1, SHARED, { headers });
    return code === "" ? status : code;
  };
  await until("it to answer", async () => ((await ask()) === 200 ? true : null));
  expect((await cli("edge", "remove", "third")).exit).toBe(0);
  expect(await ask()).toBe("runner.lost");
});

test("kill -9 of it is 503 runner.lost, and it serves again when it is started again", async () => {
  const running = answer(LOOPS);
  await untilInside();
  await machine.kill();
  expect(await running).toBe("runner.lost");
  expect(await answer(SHARED)).toBe("runner.lost");
  const { missing } = await call(caisson.operator, operations.fenceSet, {
    body: { scope: "extension", id: "acme.none", reason: "test" },
  });
  expect(missing).toContain(`runner ${await machine.runnerId()}`);
  machine.start();
  await until("it to serve again", async () => ((await answer(SHARED)) === 200 ? true : null));
  await until("it to acknowledge", async () => {
    const { json } = await cli("edge", "list", "--json");
    const { items } = json as { items: { acknowledged: boolean }[] };
    return items.every(({ acknowledged }) => acknowledged) ? true : null;
  });
});

test("an edge that is removed is out at once: its token, its line, and calls to it", async () => {
  expect((await cli("edge", "remove", "far-broker")).exit).toBe(0);
  const removed = await cli("edge", "remove", "far", "--json");
  expect(removed.exit).toBe(0);
  expect(await answer(SHARED)).toBe("runner.lost");
  const { edgeToken } = JSON.parse(await readFile(machine.enrolment("runner"), "utf8")) as {
    edgeToken: string;
  };
  const stream = await fetch(new URL("/v1/edge/stream", caisson.operator.url), {
    headers: { authorization: `Bearer ${edgeToken}` },
  });
  expect(stream.status).toBe(401);
  expect((await cli("edge", "remove", "far")).exit).toBe(3);
  await machine.kill();
});
