import { createServer as createPlainServer } from "node:http";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newPrivateKey } from "#trust";
import { selfSigned } from "../../../test/fakes/certificate.ts";
import { controlClient } from "./control-client.ts";

const HOUR_MS = 3_600_000;
/** More than there are connections. */
const MANY = 100;

function newCertificate() {
  const key = newPrivateKey("p256");
  const pem = key.export({ type: "pkcs8", format: "pem" }).toString();
  return {
    key: pem,
    cert: selfSigned(
      key,
      new Date(Date.now() - HOUR_MS),
      new Date(Date.now() + HOUR_MS),
      "localhost",
    ),
  };
}

const own = newCertificate();
let server: Server;
let url: URL;
beforeAll(async () => {
  server = createServer(own, (request, response) => {
    if (request.url === "/hangs") {
      response.writeHead(200).write("begun");
    } else if (request.url === "/breaks") {
      response.writeHead(200, { "content-length": "9" }).write("begun", () => response.destroy());
    } else if (request.url === "/elsewhere") {
      response.writeHead(302, { location: "/echo" }).end();
    } else {
      const status = request.url === "/refuses" ? 401 : 200;
      response.writeHead(status, { "x-method": request.method ?? "" });
      request.pipe(response);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = new URL(`https://localhost:${(server.address() as AddressInfo).port}`); // listening on TCP
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const signal = AbortSignal.timeout(HOUR_MS);

async function textOf(answer: IncomingMessage): Promise<string> {
  return Buffer.concat(await answer.toArray()).toString("utf8");
}

test("controlClient() speaks to a server of the authority that it pins, and to no other", async () => {
  const send = controlClient(own.cert);
  const answer = await send(new URL("/echo", url), { method: "POST", body: "said", signal });
  expect([answer.statusCode, await textOf(answer)]).toEqual([200, "said"]);
  const body = new Uint8Array([0, 255]);
  const bytes = await send(new URL("/echo", url), { method: "POST", body, signal });
  expect(Buffer.concat(await bytes.toArray())).toEqual(Buffer.from(body));
  const other = controlClient(newCertificate().cert);
  await expect(other(url, { signal })).rejects.toThrow(/self-signed/);
  await expect(controlClient(null)(url, { signal })).rejects.toThrow(/self-signed/);
});

test("controlClient() speaks without TLS where control's address says so", async () => {
  const plain = createPlainServer((_request, response) => response.end("plain"));
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  const { port } = plain.address() as AddressInfo; // listening on TCP
  const answer = await controlClient(null)(new URL(`http://127.0.0.1:${port}/`), { signal });
  expect(await textOf(answer)).toBe("plain");
  plain.close();
  plain.closeAllConnections();
});

test("controlClient() follows no redirect", async () => {
  const answer = await controlClient(own.cert)(new URL("/elsewhere", url), { signal });
  expect(answer.statusCode).toBe(302);
  answer.destroy();
});

test("controlClient() goes on after many answers that nobody wanted, and after aborts", async () => {
  const send = controlClient(own.cert);
  for (let i = 0; i < MANY; i++) {
    const refused = await send(new URL("/refuses", url), { method: "POST", body: "said", signal });
    expect(refused.statusCode).toBe(401);
    refused.destroy();
    const stop = new AbortController();
    const begun = await send(new URL("/hangs", url), { signal: stop.signal });
    const chunks = begun[Symbol.asyncIterator]();
    await chunks.next();
    stop.abort();
    await expect(chunks.next()).rejects.toThrow();
  }
  expect((await send(new URL("/echo", url), { signal })).statusCode).toBe(200);
});

test("controlClient() fails where a server ends the connection before the whole answer is there", async () => {
  const answer = await controlClient(own.cert)(new URL("/breaks", url), { signal });
  await expect(textOf(answer)).rejects.toThrow();
});
