import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import { lastAnswer } from "../e2e/until.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";

const MIB = 1_048_576;
let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
  await caisson.serve({
    name: "routes",
    endpoints: [
      { method: "GET", path: "/" },
      { method: "GET", path: "/people/:name" },
    ],
  });
  await caisson.serve({
    name: "echo",
    guest: "echo",
    endpoints: [{ method: "POST", path: "/" }],
    limits: { deadlineMs: 30_000 },
  });
});
afterAll(() => caisson[Symbol.asyncDispose]());

function get(path: string, key = caisson.north.key) {
  return caisson.call(key, `/api/ext/acme.routes${path}`);
}

test("call refuses a path and a method that the manifest does not name [CALL-ENDPOINT]", async () => {
  for (const path of ["/people", "/people/ann/more", "/other"])
    expect(await get(path)).toMatchObject({ status: 404, code: "endpoint.unknown" });
  const target = "/api/ext/acme.routes/";
  expect(await caisson.call(caisson.north.key, target, { method: "POST" })).toMatchObject({
    status: 404,
    code: "endpoint.unknown",
  });
});

test("call serves an endpoint of the manifest [CALL-ENDPOINT twin]", async () => {
  expect(await get("/people/ann")).toMatchObject({ status: 200, body: "hello\n" });
});

/** A body whose size is declared, and one whose size is not. */
const framings = [{}, { "transfer-encoding": "chunked" }];

async function echo(bytes: number, headers: Readonly<Record<string, string>>) {
  return caisson.call(caisson.north.key, "/api/ext/acme.echo/", {
    method: "POST",
    headers,
    body: new Uint8Array(bytes),
  });
}

test("call refuses a body over its bound, declared or not [CALL-BODY]", async () => {
  for (const framing of framings)
    expect(await echo(10 * MIB + 1, framing)).toMatchObject({
      status: 413,
      code: "request.too_large",
    });
});

test("call takes a body at its bound [CALL-BODY twin]", async () => {
  for (const framing of framings) {
    const { status, body } = await echo(10 * MIB, framing);
    expect([status, body.length]).toEqual([200, 10 * MIB]);
  }
});

function many(count: number, bytes: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`x-filler-${i}`, "v".repeat(bytes)]),
  );
}

test("call refuses headers over their bounds [CALL-HEADERS]", async () => {
  for (const headers of [many(64, 1), many(2, 8_192)])
    expect(
      await caisson.call(caisson.north.key, "/api/ext/acme.routes/", { headers }),
    ).toMatchObject({ status: 413, code: "request.too_large" });
});

test("call takes headers within their bounds [CALL-HEADERS twin]", async () => {
  for (const headers of [many(60, 1), many(2, 8_000)])
    expect(
      await caisson.call(caisson.north.key, "/api/ext/acme.routes/", { headers }),
    ).toMatchObject({ status: 200 });
});

function longUrl(bytes: number) {
  const target = "/api/ext/acme.routes/?q=";
  return get(`/?q=${"v".repeat(bytes - target.length)}`);
}

test("call refuses a URL over its bound [CALL-URL]", async () => {
  expect(await longUrl(8_193)).toMatchObject({ status: 400, code: "request.malformed" });
});

test("call takes a URL at its bound [CALL-URL twin]", async () => {
  expect(await longUrl(8_192)).toMatchObject({ status: 200 });
});

const traversals = [
  "/people/a%2fb",
  "/people/a%2Fb",
  "/people/a%5cb",
  "/people/%2e%2e",
  "/people/%2E%2E",
  "/people/..",
  "/people/a%00",
  "/people//a",
  "/people/a\\b",
  "/../acme.echo/",
  "/people/%c0%ae",
];

test("call refuses encoded separators, dots and traversal [CALL-TRAVERSAL]", async () => {
  for (const path of traversals)
    expect(await get(path), path).toMatchObject({ status: 400, code: "request.malformed" });
});

test("call takes a segment with another encoded character [CALL-TRAVERSAL twin]", async () => {
  for (const path of ["/people/a%20b", "/people/a..b", "/people/%c3%a9"])
    expect(await get(path), path).toMatchObject({ status: 200 });
});

test("call refuses another tenant's install as if there were none [CALL-TENANT]", async () => {
  const theirs = await get("/people/ann", caisson.south.key);
  expect(theirs).toMatchObject({ status: 404, code: "install.unknown" });
  const nothing = await caisson.call(caisson.south.key, "/api/ext/acme.nothing/");
  expect({ ...theirs, body: shape(theirs.body) }).toEqual({
    ...nothing,
    body: shape(nothing.body),
  });
});

function shape(body: string): unknown {
  return { ...(JSON.parse(body) as object), requestId: "" };
}

test("call serves the tenant that installed it [CALL-TENANT twin]", async () => {
  expect(await get("/people/ann", caisson.north.key)).toMatchObject({ status: 200 });
});

/** A key of north that may call, and its revocation. */
async function madeKey(): Promise<{ key: string; revoke: () => Promise<unknown> }> {
  const params = { tenant: caisson.north.id };
  const { id, key } = await call(caisson.operator, operations.keyCreate, {
    params,
    body: { name: "short", actions: ["ext:call"] },
  });
  const served = await lastAnswer(
    () => get("/", key),
    ({ status }) => status === 200,
  );
  expect(served).toMatchObject({ status: 200 });
  const revoke = () =>
    call(caisson.operator, operations.keyRevoke, { params: { ...params, key: id } });
  return { key, revoke };
}

test("call refuses a revoked key as soon as the gateway has heard of it [CALL-REVOKED]", async () => {
  const { key, revoke } = await madeKey();
  await revoke();
  const last = await lastAnswer(
    () => get("/", key),
    ({ status }) => status !== 200,
  );
  expect(last).toMatchObject({ status: 401, code: "auth.required" });
});

test("call serves a key beside a revoked one [CALL-REVOKED twin]", async () => {
  const [kept, other] = [await madeKey(), await madeKey()];
  await other.revoke();
  await lastAnswer(
    () => get("/", other.key),
    ({ status }) => status !== 200,
  );
  expect(await get("/", kept.key)).toMatchObject({ status: 200 });
});

test("call refuses a key without the action [CALL-ACTION]", async () => {
  expect(await get("/", await keyWith(["install:read"]))).toMatchObject({
    status: 403,
    code: "auth.forbidden",
  });
});

test("call serves a key with the action [CALL-ACTION twin]", async () => {
  expect(await get("/", await keyWith(["install:read", "ext:call"]))).toMatchObject({
    status: 200,
  });
});

async function keyWith(actions: string[]): Promise<string> {
  const { key } = await call(caisson.operator, operations.keyCreate, {
    params: { tenant: caisson.north.id },
    body: { name: "some", actions },
  });
  // The gateway knows the key when it no longer asks for one.
  await lastAnswer(
    () => get("/", key),
    ({ status }) => status !== 401,
  );
  return key;
}
