import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Caisson } from "./caisson.ts";
import { startCaisson } from "./start-caisson.ts";

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
  await caisson.serve({
    name: "bodies",
    guest: "echo",
    endpoints: [{ method: "POST", path: "/" }],
    limits: { memoryBytes: 16_777_216 },
  });
});
afterAll(() => caisson[Symbol.asyncDispose]());

interface Echo {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

function echo(body: Buffer): Promise<Echo> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${caisson.north.key}`, "content-length": body.length };
    const path = "/api/ext/acme.bodies";
    const at = { host: "127.0.0.1", port: caisson.gatewayPort, path, method: "POST", headers };
    const sent = request(at, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Every byte value, so that nothing on the way may take them for text. */
function bytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
}

test.each([0, 1, 256, 16_384, 16_385, 70_000, 700_000])(
  "a body of %i bytes comes back byte for byte through gateway and sandbox",
  async (length) => {
    const { status, headers, body } = await echo(bytes(length));
    expect(status).toBe(200);
    expect(body.equals(bytes(length))).toBe(true);
    if (headers["content-length"] !== undefined)
      expect(headers["content-length"]).toBe(String(length));
    expect(headers["x-content-type-options"]).toBe("nosniff");
  },
);
