import { createServer } from "node:https";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newPrivateKey } from "#trust";
import { selfSigned } from "../../../test/fakes/certificate.ts";
import { controlFetch } from "./control-fetch.ts";

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

test("controlFetch() speaks to a server of the authority that it pins, and to no other", async () => {
  const send = controlFetch(own.cert);
  const response = await send(new URL("/echo", url), { method: "POST", body: "said" });
  expect([response.status, response.ok, await response.text()]).toEqual([200, true, "said"]);
  const body = new Uint8Array([0, 255]);
  const bytes = await send(new URL("/echo", url), { method: "POST", body });
  expect(new Uint8Array(await bytes.arrayBuffer())).toEqual(body);
  await expect(controlFetch(newCertificate().cert)(url, {})).rejects.toThrow(/self-signed/);
});

test("controlFetch() follows no redirect", async () => {
  const response = await controlFetch(own.cert)(new URL("/elsewhere", url), {});
  expect([response.status, response.ok]).toEqual([302, false]);
  await response.body?.cancel();
});

test("controlFetch() goes on after many answers that nobody wanted, and after aborts", async () => {
  const send = controlFetch(own.cert);
  for (let i = 0; i < MANY; i++) {
    const refused = await send(new URL("/refuses", url), { method: "POST", body: "said" });
    expect(refused.status).toBe(401);
    await refused.body?.cancel();
    const stop = new AbortController();
    const begun = await send(new URL("/hangs", url), { signal: stop.signal });
    const reader = begun.body?.getReader();
    await reader?.read();
    stop.abort();
    await expect(reader?.read()).rejects.toThrow();
  }
  expect((await send(new URL("/echo", url), {})).status).toBe(200);
});
