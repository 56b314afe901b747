import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Caisson } from "../e2e/caisson.ts";
import { startFakeDns } from "../e2e/fake-dns.ts";
import type { FakeDns } from "../e2e/fake-dns.ts";
import { serveSource } from "../e2e/serve-source.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { FakeAuthority } from "../fakes/certificate.ts";

/** Asks for the URL in its own request's headers. */
const SOURCE = `
import { send } from "caisson:http/fetch@1.0.0";
import { OutgoingBody } from "caisson:ext/types@1.0.0";
export const handler = {
  handle(request) {
    const url = request.headers.find((one) => one.name === "x-ext-url")?.value ?? "";
    const out = new OutgoingBody();
    let said = "";
    try {
      const { status, body } = send({ method: "GET", url, headers: [], body: new Uint8Array() });
      said = status + " " + new TextDecoder().decode(body);
    } catch (error) {
      const { tag, val } = error.payload ?? { tag: "thrown", val: String(error) };
      said = val == null ? tag : tag + ": " + val;
    }
    out.write(new TextEncoder().encode(said));
    return { status: 200, headers: [], body: out };
  },
};
`;

const NAMES = ["good.test", "other-name.test", "expired.test", "unknown.test", "good-too.test"];
const ours = new FakeAuthority("an operator's own authority");
const theirs = new FakeAuthority("an authority that nobody named");
const certificates: Readonly<Record<string, { cert: string; key: string }>> = {
  "good.test": ours.issue("good.test"),
  "good-too.test": ours.issue("good-too.test"),
  "other-name.test": ours.issue("good.test"),
  "expired.test": ours.issue("expired.test", 3_600_000),
  "unknown.test": theirs.issue("unknown.test"),
};

let caisson: Caisson;
let dns: FakeDns;
let server: Server;
let folder: string;
let port = 0;
let asked: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tls-"));
  await writeFile(join(folder, "ca.pem"), ours.certificate);
  dns = await startFakeDns(() => ["127.0.0.1"]);
  server = await listen();
  port = (server.address() as AddressInfo).port; // listening on TCP
  const origins = NAMES.map((name) => `https://${name}:${port}`);
  caisson = await startCaisson({
    EXT_EGRESS_ALLOWLIST: origins.map((origin) => `${origin}=127.0.0.0/8`).join(","),
    CAISSON_EGRESS_DNS: dns.server,
    CAISSON_EGRESS_CA: join(folder, "ca.pem"),
  });
  const hosts = origins.map((origin) => ({ origin, methods: ["GET"] }));
  const capabilities = { "http.fetch": { hosts } };
  await serveSource(caisson, { name: "secure", source: SOURCE, capabilities, deadlineMs: 5_000 });
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await caisson[Symbol.asyncDispose]();
  await dns[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Shows the certificate of the name that the client says (SNI), and answers with the names that it was asked by. */
async function listen(): Promise<Server> {
  let sni = "";
  const https = createServer(
    {
      SNICallback: (name, done) => {
        sni = name;
        const shown = certificates[name];
        done(null, shown === undefined ? undefined : createSecureContext(shown));
      },
    },
    (request, response) => {
      asked.push(request.headers.host ?? "");
      response.end(`${sni} ${request.headers.host}`);
    },
  );
  https.on("tlsClientError", () => {}); // a client that does not trust us
  await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
  return https;
}

async function fetched(name: string): Promise<string> {
  asked = [];
  const { body } = await caisson.call(caisson.north.key, "/api/ext/acme.secure/", {
    headers: { "x-ext-url": `https://${name}:${port}/` },
  });
  return body;
}

test("the broker sends nothing to a server whose certificate is of another name, over, or of an unknown authority [EGRESS-TLS]", async () => {
  expect(await fetched("other-name.test")).toBe("failed: ERR_TLS_CERT_ALTNAME_INVALID");
  expect(await fetched("expired.test")).toBe("failed: CERT_HAS_EXPIRED");
  expect(await fetched("unknown.test")).toMatch(/^failed: UNABLE_TO_/);
  expect(asked).toEqual([]);
});

test("the broker sends to a server whose certificate is good, under the name that was asked for [EGRESS-TLS twin]", async () => {
  for (const name of ["good.test", "good-too.test"])
    expect(await fetched(name)).toBe(`200 ${name} ${name}:${port}`);
});
