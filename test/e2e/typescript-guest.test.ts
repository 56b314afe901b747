import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packFolder } from "#kit";
import type { Caisson } from "./caisson.ts";
import { runCli } from "./run-cli.ts";
import { startCaisson } from "./start-caisson.ts";
import { until } from "./until.ts";

const SOURCE = `
import { OutgoingBody } from "caisson:ext/types@1.0.0";
import { fail } from "./fail.ts";
const answer = (bytes, status = 200, headers = []) => {
  const body = new OutgoingBody();
  body.write(bytes);
  return { status, headers, body };
};
export const handler = {
  handle(request) {
    if (request.path === "/text") return answer(new TextEncoder().encode(new TextDecoder().decode(request.body.readAll(65536))));
    if (request.path === "/headers") {
      const headers = [["content-type", "text/css"], ["set-cookie", "a=b"], ["x-ext-mine", "yes"], ["server", "guest"], ["cache-control", "public, max-age=9"]];
      return answer(new Uint8Array(), 200, headers.map(([name, value]) => ({ name, value })));
    }
    if (request.path === "/seen") return answer(new TextEncoder().encode(JSON.stringify({ headers: request.headers, query: request.query })));
    if (request.path === "/throw") return fail(3, { reason: "on purpose" });
    if (request.path === "/deep") return fail(100, { reason: "deep ".repeat(1_000) });
    if (request.path === "/promise") return Promise.resolve(answer(new Uint8Array()));
    if (request.path === "/text-thrown") throw "a text,\\nand a line below";
    const values = { random: Math.random(), uuid: crypto.randomUUID(), bytes: [...crypto.getRandomValues(new Uint8Array(8))], time: Date.now() };
    return answer(new TextEncoder().encode(JSON.stringify(values)));
  },
};
`;

/** Types take lines away when they are stripped: what the engine sees is not where the author wrote it. */
const FAIL = `interface Reason {
  readonly reason: string;
}

type Depth = number;

export function fail(depth: Depth, why: Reason): never {
  if (depth > 0) return fail(depth - 1, why);
  throw new RangeError(why.reason);
}
`;

let caisson: Caisson;
let folder: string;
beforeAll(async () => {
  caisson = await startCaisson();
  folder = mkdtempSync(join(tmpdir(), "cts-"));
  mkdirSync(join(folder, "src"));
  writeFileSync(join(folder, "src/index.ts"), SOURCE);
  writeFileSync(join(folder, "src/fail.ts"), FAIL);
  writeFileSync(join(folder, "north.key"), caisson.north.key);
  const endpoints = [
    { method: "GET", path: "/" },
    { method: "POST", path: "/text" },
    { method: "GET", path: "/headers" },
    { method: "GET", path: "/seen" },
    { method: "GET", path: "/throw" },
    { method: "GET", path: "/deep" },
    { method: "GET", path: "/promise" },
    { method: "GET", path: "/text-thrown" },
  ];
  writeFileSync(
    join(folder, "caisson.json"),
    JSON.stringify({
      schema: 1,
      publisher: "acme",
      name: "script",
      version: "1.0.0",
      wit: "caisson:ext@1.0.0",
      component: "script.wasm",
      endpoints,
      capabilities: { log: {} },
    }),
  );
  const artifact = caisson.sign(await packFolder(folder));
  expect(await caisson.publish(artifact)).toBe("admitted");
  expect(await caisson.install(caisson.north, "acme.script")).toBe("ready");
  await caisson.untilRouted(caisson.north, "acme.script");
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await caisson[Symbol.asyncDispose]();
});

function ask(
  path: string,
  init: { method?: string; body?: Uint8Array; headers?: Record<string, string> } = {},
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        port: caisson.gatewayPort,
        path: `/api/ext/acme.script${path}`,
        method: init.method ?? "GET",
        headers: { authorization: `Bearer ${caisson.north.key}`, ...init.headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        );
      },
    );
    sent.on("error", reject);
    sent.end(init.body);
  });
}

interface Values {
  readonly random: number;
  readonly uuid: string;
  readonly bytes: readonly number[];
  readonly time: number;
}

test("each instance draws randomness of its own, and its clock is the machine's", async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask("/")));
  const values = answers.map(({ body }) => JSON.parse(body.toString("utf8")) as Values);
  expect(new Set(values.map(({ random }) => random)).size).toBe(20);
  expect(new Set(values.map(({ uuid }) => uuid)).size).toBe(20);
  expect(new Set(values.map(({ bytes }) => bytes.join())).size).toBe(20);
  for (const { random, uuid, time } of values) {
    expect(random >= 0 && random < 1).toBe(true);
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Math.abs(time - Date.now())).toBeLessThan(60_000);
  }
});

test("the guest's text codecs agree with Node's on well-formed and on broken UTF-8", async () => {
  const samples = [
    Buffer.from("plain, ümläut, 漢字, 🦀, \u0000 and \ufeff inside"),
    Buffer.from([
      0xff, 0xc0, 0x80, 0xe0, 0x80, 0x80, 0xed, 0xa0, 0x80, 0xf0, 0x80, 0x80, 0x80, 0xf4, 0x90,
      0x80, 0x80,
    ]),
    Buffer.from([0xe2, 0x82, 0x41, 0xf0, 0x9f, 0x41, 0xe2, 0x82]),
    ...Array.from({ length: 20 }, () => randomBytes(200)),
  ];
  for (const sample of samples) {
    const { body } = await ask("/text", { method: "POST", body: sample });
    expect(body.toString("hex"), sample.toString("hex")).toBe(
      Buffer.from(new TextEncoder().encode(new TextDecoder().decode(sample))).toString("hex"),
    );
  }
});

test("of the guest's headers only the safe ones reach the client, and never a cookie", async () => {
  const { headers } = await ask("/headers");
  expect(headers).toMatchObject({
    "content-type": "text/css",
    "x-ext-mine": "yes",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  expect(headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  expect(headers).not.toHaveProperty("set-cookie");
  expect(headers).not.toHaveProperty("server");
});

test("of the client's headers only the listed ones reach the guest, never a credential", async () => {
  const { body } = await ask("/seen?a=1&a=2", {
    headers: {
      cookie: "s=1",
      "x-ext-mine": "in",
      accept: "text/plain",
      "x-request-id": "chosen-by-client",
      "x-tenant": "other",
    },
  });
  const seen = JSON.parse(body.toString("utf8")) as {
    headers: { name: string; value: string }[];
    query: string;
  };
  expect(seen.query).toBe("a=1&a=2");
  expect(seen.headers.map(({ name }) => name).toSorted()).toEqual([
    "accept",
    "x-ext-mine",
    "x-request-id",
  ]);
  expect(seen.headers.find(({ name }) => name === "x-request-id")?.value).not.toBe(
    "chosen-by-client",
  );
});

function lineOf(source: string, text: string): number {
  return source.slice(0, source.indexOf(text)).split("\n").length;
}

/** What the command line prints of the log once it holds `text`. */
function logWith(text: string): Promise<string> {
  const env = { CAISSON_URL: caisson.operator.url, CAISSON_KEY_FILE: join(folder, "north.key") };
  return until(`a log line with ${text}`, async () => {
    const { out } = await runCli(["logs", "acme.script"], env);
    return out.includes(text) ? out : null;
  });
}

test("an exception that the guest does not catch stands in the log with the author's file and line, and the client sees none of it", async () => {
  const { status, body } = await ask("/throw");
  expect(status).toBe(500);
  expect(JSON.parse(body.toString("utf8"))).toMatchObject({ code: "guest.trap" });
  expect(body.toString("utf8")).not.toMatch(/on purpose|fail|index\.ts/);
  const log = await logWith("RangeError: on purpose");
  expect(log).toContain(`at fail (src/fail.ts:${lineOf(FAIL, "throw new")})`);
  expect(log).toContain(`at fail (src/fail.ts:${lineOf(FAIL, "if (depth")})`);
  expect(log).toContain(`at handle (src/index.ts:${lineOf(SOURCE, "return fail(3")})`);
});

test("a handler that returns a promise, or throws what is no error, is named in the log", async () => {
  expect((await ask("/promise")).status).toBe(500);
  await logWith("TypeError: handle returned a promise");
  expect((await ask("/text-thrown")).status).toBe(500);
  expect(await logWith("thrown: a text,")).toContain("\n    | and a line below");
});

test("what an exception writes to the log is bounded", async () => {
  expect((await ask("/deep")).status).toBe(500);
  const log = await logWith("RangeError: deep");
  const own = log.slice(log.indexOf("RangeError: deep"));
  expect(own.match(/deep /g)?.length).toBeLessThan(250);
  expect(own.match(/at fail \(src\/fail\.ts:\d+\)/g)?.length).toBeLessThanOrEqual(16);
});
