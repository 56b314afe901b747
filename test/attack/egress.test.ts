import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { loadGranted } from "./held-control.ts";
import { startFakeDns } from "../e2e/fake-dns.ts";
import type { FakeDns } from "../e2e/fake-dns.ts";
import { serveSource } from "../e2e/serve-source.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";

/** Asks for what the headers of its own request say, as often as they say, and tells what came of the last time. */
const SOURCE = `
import { send } from "caisson:http/fetch@1.0.0";
import { OutgoingBody } from "caisson:ext/types@1.0.0";
const header = (request, name) => request.headers.find((one) => one.name === name)?.value ?? "";
export const handler = {
  handle(request) {
    const out = new OutgoingBody();
    let said = "";
    for (let i = 0; i < Number(header(request, "x-ext-times") || 1); i++) {
      try {
        const size = Number(header(request, "x-ext-size") || 0);
        const headers = header(request, "x-ext-send") === "" ? [] : [{ name: header(request, "x-ext-send"), value: "guest" }];
        const { status, body } = send({ method: header(request, "x-ext-method") || "GET", url: header(request, "x-ext-url"), headers, body: new Uint8Array(size) });
        said = status + " " + new TextDecoder().decode(body.slice(0, 200));
      } catch (error) {
        const { tag, val } = error.payload ?? { tag: "thrown", val: String(error) };
        said = val === undefined ? tag : tag + ": " + val;
      }
    }
    out.write(new TextEncoder().encode(said));
    return { status: 200, headers: [], body: out };
  },
};
`;

/** What each name resolves to. Of the special ones the grant and the operator's list hold every name. */
const PRIVATE: Readonly<Record<string, readonly string[]>> = {
  "loopback.test": ["127.0.0.1"],
  "private.test": ["10.0.0.1"],
  "shared.test": ["100.64.0.1"],
  "link-local.test": ["169.254.1.1"],
  "multicast.test": ["224.0.0.1"],
  "unspecified.test": ["0.0.0.0"],
  "mapped.test": ["0:0:0:0:0:ffff:7f00:1"],
  "six-loopback.test": ["0:0:0:0:0:0:0:1"],
  "six-private.test": ["fd00:0:0:0:0:0:0:1"],
  "six-tunnel.test": ["2002:7f00:1:0:0:0:0:1"],
  "mixed.test": ["93.184.216.34", "127.0.0.1"],
};
const METADATA = "metadata.test";

let caisson: Caisson;
let dns: FakeDns;
let servers: readonly Server[];
let port = 0;
let hits: string[] = [];
beforeAll(async () => {
  dns = await startFakeDns(addresses);
  servers = [await listen("127.0.0.1", 0, "inside"), await listen("127.0.0.2", port, "outside")];
  const origin = (name: string) => `http://${name}:${port}`;
  const ceiling = [
    `${origin("api.test")}=127.0.0.0/8`,
    `${origin("other.test")}=127.0.0.0/8`,
    `${origin("rebind.test")}=127.0.0.0/8`,
    `${origin(METADATA)}=169.254.0.0/16`,
    ...Object.keys(PRIVATE).map(origin),
  ];
  caisson = await startCaisson({
    EXT_EGRESS_ALLOWLIST: ceiling.join(","),
    CAISSON_EGRESS_DNS: dns.server,
  });
  const names = ["api.test", "rebind.test", "unlisted.test", METADATA, ...Object.keys(PRIVATE)];
  await serve("fetcher", names.map(origin));
  await serve("nowhere", []);
  await serve("asker", [origin("api.test")]);
});
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await caisson[Symbol.asyncDispose]();
  await dns[Symbol.asyncDispose]();
});

function addresses(name: string, asked: number): readonly string[] {
  if (name === METADATA) return ["169.254.169.254"];
  if (name === "rebind.test") return [asked === 0 ? "127.0.0.2" : "127.0.0.1"];
  return PRIVATE[name] ?? ["127.0.0.1"];
}

async function listen(host: string, at: number, place: string): Promise<Server> {
  const server = createServer((request, response) => respond(request, response, place));
  await new Promise<void>((resolve) => server.listen(at, host, resolve));
  port = (server.address() as AddressInfo).port; // listening on TCP
  return server;
}

function respond(request: IncomingMessage, response: ServerResponse, place: string): void {
  hits.push(`${request.method} ${request.headers.host}${request.url}`);
  if (request.url === "/redirect")
    response.writeHead(302, { location: `http://other.test:${port}/` }).end("moved");
  else if (request.url === "/big") response.end(Buffer.alloc(2 << 20));
  else if (request.url === "/part") response.end(Buffer.alloc(1 << 20));
  else if (request.url === "/headers") response.end(JSON.stringify(request.headers));
  else if (request.url !== "/hang") response.end(place);
}

function serve(name: string, origins: readonly string[]): Promise<void> {
  const hosts = origins.map((origin) => ({ origin, methods: ["GET", "PUT"] }));
  return serveSource(caisson, {
    name,
    source: SOURCE,
    capabilities: { "http.fetch": { hosts } },
    deadlineMs: 2_000,
  });
}

interface Asked {
  readonly method?: string;
  readonly times?: number;
  readonly size?: number;
  readonly send?: string;
  readonly by?: string;
}

async function fetched(url: string, asked: Asked = {}): Promise<string> {
  hits = [];
  const { status, code, body } = await caisson.call(
    caisson.north.key,
    `/api/ext/acme.${asked.by ?? "fetcher"}/`,
    {
      headers: {
        "x-ext-url": url,
        "x-ext-method": asked.method ?? "GET",
        "x-ext-times": String(asked.times ?? 1),
        "x-ext-size": String(asked.size ?? 0),
        "x-ext-send": asked.send ?? "",
      },
    },
  );
  return status === 200 ? body : code;
}

const at = (name: string, path = "/") => `http://${name}:${port}${path}`;

test("the broker refuses what the grant does not name, and everything where it names nothing [EGRESS-GRANT]", async () => {
  expect(await fetched(at("other.test"))).toMatch(/^denied: .* is not in the grant/);
  expect(await fetched(at("api.test"), { by: "nowhere" })).toMatch(/^denied: .*not in the grant/);
  expect(await fetched(at("api.test"), { method: "DELETE" })).toMatch(/^denied: .*method/);
  expect(hits).toEqual([]);
});

test("the broker sends what the grant names [EGRESS-GRANT twin]", async () => {
  expect(await fetched(at("api.test"))).toBe("200 inside");
  expect(await fetched(at("api.test"), { method: "PUT", size: 1_000 })).toBe("200 inside");
});

test("the broker refuses what the operator's list does not hold, granted or not [EGRESS-CEILING]", async () => {
  expect(await fetched(at("unlisted.test"))).toMatch(/^denied: .*EXT_EGRESS_ALLOWLIST/);
  expect(hits).toEqual([]);
});

test("the broker sends what the operator's list holds [EGRESS-CEILING twin]", async () => {
  expect(await fetched(at("api.test"))).toBe("200 inside");
});

test("the broker reaches no address that is not public [EGRESS-PRIVATE]", async () => {
  for (const name of Object.keys(PRIVATE))
    expect([name, await fetched(at(name))]).toEqual([
      name,
      expect.stringMatching(/^denied: .*never/),
    ]);
  expect(hits).toEqual([]);
});

test("the broker reaches an address of a network that the operator named [EGRESS-PRIVATE twin]", async () => {
  expect(await fetched(at("api.test"))).toBe("200 inside");
});

test("the broker reaches no metadata service, whatever network is named [EGRESS-METADATA]", async () => {
  expect(await fetched(at(METADATA))).toMatch(/^denied: .*never/);
});

test("the broker reaches another address of a named network [EGRESS-METADATA twin]", async () => {
  expect(await fetched(at("api.test"))).toBe("200 inside");
});

test("the broker connects to the address that it checked [EGRESS-REBINDING]", async () => {
  expect(await fetched(at("rebind.test"))).toBe("200 outside");
});

test("the broker connects by name where the name stays [EGRESS-REBINDING twin]", async () => {
  expect(await fetched(at("api.test"))).toBe("200 inside");
});

test("the broker follows no redirect [EGRESS-REDIRECT]", async () => {
  expect(await fetched(at("api.test", "/redirect"))).toBe("302 moved");
  expect(hits).toEqual([`GET api.test:${port}/redirect`]);
});

test("the broker brings an answer that is no redirect [EGRESS-REDIRECT twin]", async () => {
  expect(await fetched(at("api.test", "/"))).toBe("200 inside");
});

test("a URL has one spelling, and names no second host [EGRESS-URL]", async () => {
  for (const url of [
    `http://api.test:${port}@other.test:${port}/`,
    `HTTP://API.test:${port}/`,
    `//api.test:${port}/`,
    "/",
    `ftp://api.test:${port}/`,
    `http://user:word@api.test:${port}/`,
  ])
    expect([url, await fetched(url)]).toEqual([url, expect.stringMatching(/^denied: /)]);
  expect(hits).toEqual([]);
});

test("a path that looks like a URL stays a path [EGRESS-URL twin]", async () => {
  expect(await fetched(at("api.test", "/http://other.test/"))).toBe("200 inside");
  expect(hits).toEqual([`GET api.test:${port}/http://other.test/`]);
});

test("a guest does not choose host, proxy or length headers [EGRESS-HEADERS]", async () => {
  for (const name of ["host", "x-forwarded-for", "cookie", "transfer-encoding"]) {
    const said = await fetched(at("api.test", "/headers"), { send: name });
    expect([name, said]).toEqual([name, expect.not.stringContaining("guest")]);
  }
});

test("a guest sends headers of its own [EGRESS-HEADERS twin]", async () => {
  expect(await fetched(at("api.test", "/headers"), { send: "x-mine" })).toContain(
    '"x-mine":"guest"',
  );
});

test("a call sends no more requests than its budget [EGRESS-REQUESTS]", async () => {
  expect(await fetched(at("api.test"), { times: 17 })).toBe("budget: 16 requests per call");
  expect(hits).toHaveLength(16);
});

test("a call sends as many requests as its budget [EGRESS-REQUESTS twin]", async () => {
  expect(await fetched(at("api.test"), { times: 16 })).toBe("200 inside");
});

test("a call makes no more capability calls than its budget [EGRESS-CALLS]", async () => {
  expect(await fetched(at("other.test"), { times: 257 })).toBe(
    "budget: 256 capability calls per call",
  );
});

test("a call makes as many capability calls as its budget [EGRESS-CALLS twin]", async () => {
  // What it meets then is another budget, or the grant.
  expect(await fetched(at("other.test"), { times: 256 })).toMatch(
    /^(budget: 16 requests per call|denied: .* is not in the grant)$/,
  );
});

test("a call sends and receives no more bytes than its budget [EGRESS-BYTES]", async () => {
  const out = { method: "PUT", size: 1_000_000, times: 11 };
  expect(await fetched(at("api.test"), out)).toBe("budget: 10485760 bytes sent per call");
  expect(await fetched(at("api.test", "/part"), { times: 11 })).toBe(
    "budget: 10485760 bytes received per call",
  );
  expect(await fetched(at("api.test", "/big"))).toBe("too-large");
});

test("a call sends and receives as many bytes as its budget [EGRESS-BYTES twin]", async () => {
  const out = { method: "PUT", size: 1_000_000, times: 10 };
  expect(await fetched(at("api.test"), out)).toBe("200 inside");
  expect(await fetched(at("api.test", "/part"), { times: 10 })).toMatch(/^200 /);
});

test("a host that never answers ends with the call's deadline [EGRESS-DEADLINE]", async () => {
  expect(await fetched(at("api.test", "/hang"))).toBe("deadline.exceeded");
});

test("a host that answers does not [EGRESS-DEADLINE twin]", async () => {
  expect(await fetched(at("api.test"))).toBe("200 inside");
});

/** Installs the fetcher again for the other tenant, with these origins only. */
async function installFor(origins: readonly string[]): Promise<string> {
  return caisson.install(caisson.south, "acme.fetcher", { egress: origins });
}

test("install refuses an origin that the config does not ask for [INSTALL-EGRESS]", async () => {
  const said = await installFor([`http://api.test:${port}`, `http://other.test:${port}`]);
  expect(said).toBe("refused: install.refused grant.wider");
});

test("install grants fewer origins than the config asks for [INSTALL-EGRESS twin]", async () => {
  expect(await installFor([`http://api.test:${port}`])).toBe("ready");
});

/** Whoever holds control's state key grants an origin, which the extension asks for or not. */
function loadWith(extension: string): Promise<string> {
  const egress = [{ origin: `http://api.test:${port}`, methods: ["GET"] }];
  return loadGranted(caisson, extension, (grant) => ({ ...grant, egress }));
}

test("load refuses a signed grant for an origin that the signed config does not ask for [LOAD-EGRESS]", async () => {
  expect(await loadWith("acme.nowhere")).toMatch(/^failed .*grant\.wider/);
});

test("load accepts a signed grant for the origins that the signed config asks for [LOAD-EGRESS twin]", async () => {
  expect(await loadWith("acme.asker")).toBe("ready ");
});

/** The record of one call to this URL. */
async function recordOf(url: string, asked: Asked = {}): Promise<Record<string, unknown>> {
  const [last] = await caisson.sql(
    "select coalesce(max(opened_at), 'epoch') as at from extension_execution_log",
  );
  await fetched(url, asked);
  return until("the call's record", async () => {
    const [row] = await caisson.sql(
      `select denied, capability_calls, egress_requests, egress_in_bytes, egress_out_bytes
       from extension_execution_log where opened_at > $1`,
      [last?.["at"]],
    );
    return row ?? null;
  });
}

test("a denial is on record with its execution, whatever the guest makes of it [EGRESS-RECORD]", async () => {
  expect(await recordOf(at("other.test", "/recorded"))).toMatchObject({ denied: "http.fetch" });
  const params = { tenant: caisson.north.id };
  await until("the denial in the log", async () => {
    const { items } = await call(caisson.north, operations.logList, { params });
    return items.some(({ message }) => message.startsWith("http.fetch denied: ")) ? true : null;
  });
});

test("what a call did outside is on record with its execution [EGRESS-RECORD twin]", async () => {
  expect(await recordOf(at("api.test"), { method: "PUT", size: 1_000, times: 2 })).toEqual({
    denied: "",
    capability_calls: 2,
    egress_requests: 2,
    egress_in_bytes: String(2 * "inside".length),
    egress_out_bytes: "2000",
  });
});
