import { readFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  BROKER_DEADLINE_HEADER,
  brokerCallBytes,
  denialOf,
  limits,
  parseVersion,
  sealGrant,
} from "../../src/core/contract/index.ts";
import type { Grant, Version } from "../../src/core/contract/index.ts";
import { newId } from "../../src/core/platform/index.ts";
import { digestOf, documentTimes } from "../../src/core/trust/index.ts";
import type { Signer } from "../../src/core/trust/index.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { newSigner } from "../fakes/releases.ts";
import { resume, stop } from "./fence-cases.ts";
import { heldKey } from "./held-control.ts";

let caisson: Caisson;
let state: Signer;
let server: Server;
let origin = "";
beforeAll(async () => {
  server = createServer((_request, response) => response.end("reached"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // listening on TCP
  caisson = await startCaisson({ EXT_EGRESS_ALLOWLIST: `${origin}=127.0.0.0/8` });
  state = await heldKey(caisson, "state");
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await caisson[Symbol.asyncDispose]();
});

/** What control grants to an extension that may reach the server; `change` is what it did not. */
function grantOf(change: Partial<Grant> = {}): Grant {
  return {
    tenant: newId("tenant"),
    install: newId("install"),
    extension: "acme.outside",
    version: parseVersion("1.0.0") as Version,
    contentHash: digestOf("manifest", new Uint8Array()),
    capabilities: ["http.fetch"],
    egress: [{ origin, methods: ["GET"] }],
    config: {},
    limits: {
      memoryBytes: 65_536,
      deadlineMs: 1_000,
      fuel: 0,
      responseBytes: limits.bodyBytes.value,
      logBytes: limits.logBytes.value,
      logLines: limits.logLines.value,
      concurrency: 1,
    },
    trustClass: "shared",
    epoch: 1,
    ...change,
  };
}

/** Whoever holds the runner, or another process of this machine, asks the broker: a status, a denial, or the answer. */
async function ask(
  grant: Grant,
  { signer = state, secret }: { signer?: Signer; secret?: string } = {},
): Promise<string> {
  const own = (await readFile(join(caisson.runtime, "broker.secret"), "utf8")).trim();
  const now = new Date();
  const times = documentTimes(now, new Date(now.getTime() + 60_000));
  const body = brokerCallBytes({
    grant: sealGrant(grant, times, signer),
    argument: getRequest(`${origin}/`),
  });
  const { status, reply } = await post(secret ?? own, body);
  if (status !== 200) return String(status);
  return denialOf(reply) ?? reply.subarray(-"reached".length).toString();
}

/** The argument of http.fetch: method, URL, no headers, no body. */
function getRequest(url: string): Uint8Array {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(url.length);
  return Buffer.concat([Buffer.of(3), Buffer.from("GET"), length, Buffer.from(url), Buffer.of(0)]);
}

function post(secret: string, body: Uint8Array): Promise<{ status: number; reply: Buffer }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath: join(caisson.runtime, "broker.sock"),
        path: "/v1/capability/http.fetch",
        method: "POST",
        headers: { authorization: `Bearer ${secret}`, [BROKER_DEADLINE_HEADER]: "1000000" },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, reply: Buffer.concat(chunks) }),
        );
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

test("the broker refuses who does not show the secret of this boot [BROKER-SECRET]", async () => {
  expect(await ask(grantOf(), { secret: "0".repeat(64) })).toBe("401");
});

test("the broker answers who shows the secret of this boot [BROKER-SECRET twin]", async () => {
  expect(await ask(grantOf())).toBe("reached");
});

test("the broker refuses a grant that control did not sign [BROKER-GRANT]", async () => {
  expect(await ask(grantOf(), { signer: newSigner("ed25519") })).toBe("the grant does not hold");
});

test("the broker acts on a grant that control signed [BROKER-GRANT twin]", async () => {
  expect(await ask(grantOf())).toBe("reached");
});

test("the broker refuses a grant without the capability [BROKER-CAPABILITY]", async () => {
  expect(await ask(grantOf({ capabilities: ["log"] }))).toBe("the grant has no http.fetch");
});

test("the broker acts on a grant with the capability [BROKER-CAPABILITY twin]", async () => {
  expect(await ask(grantOf({ capabilities: ["log", "http.fetch"] }))).toBe("reached");
});

/** Something is halted while the broker is asked. */
async function whileHalted(extension: string): Promise<string> {
  await stop(caisson.operator, "extension", extension);
  try {
    return await ask(grantOf());
  } finally {
    await resume(caisson.operator, "extension", extension);
  }
}

test("the broker lets nothing out that is halted [BROKER-FENCE]", async () => {
  expect(await whileHalted("acme.outside")).toBe("it was stopped");
});

test("the broker lets out what is not halted [BROKER-FENCE twin]", async () => {
  expect(await whileHalted("acme.another")).toBe("reached");
});
