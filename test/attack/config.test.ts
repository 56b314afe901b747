import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { Caisson, Tenant } from "../e2e/caisson.ts";
import { installSource, publishSource } from "../e2e/serve-source.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { loadGranted } from "./held-control.ts";

/** Tells what it sees. */
const SOURCE = `
import { all, get } from "caisson:config/values@1.0.0";
import { OutgoingBody } from "caisson:ext/types@1.0.0";
export const handler = {
  handle() {
    const out = new OutgoingBody();
    const seen = { all: all(), greeting: get("greeting"), undeclared: get("undeclared") };
    out.write(new TextEncoder().encode(JSON.stringify(seen)));
    return { status: 200, headers: [], body: out };
  },
};
`;
const VALUES = [{ name: "region" }, { name: "greeting", default: "Hello" }];

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
  await publish("greeter", VALUES);
  await publish("needy", [{ name: "endpoint", required: true }]);
});
afterAll(() => caisson[Symbol.asyncDispose]());

function publish(name: string, values: readonly object[]): Promise<void> {
  const capabilities = { config: { values } };
  return publishSource(caisson, { name, source: SOURCE, capabilities, deadlineMs: 5_000 });
}

async function seenBy(tenant: Tenant, name = "greeter"): Promise<Record<string, unknown>> {
  const { body } = await caisson.call(tenant.key, `/api/ext/acme.${name}/`);
  return JSON.parse(body) as Record<string, unknown>; // written by the guest above
}

test("a guest sees what its tenant set and the manifest's defaults, and keeps it over an upgrade that says nothing", async () => {
  await publish("kept", VALUES);
  await installSource(caisson, caisson.north, "kept", { config: { region: "north" } });
  const seen = {
    all: [
      ["region", "north"],
      ["greeting", "Hello"],
    ],
    greeting: "Hello",
    undeclared: null,
  };
  expect(await seenBy(caisson.north, "kept")).toEqual(seen);
  const params = { tenant: caisson.north.id, extension: "acme.kept" };
  const { config } = await call(caisson.north, operations.installShow, { params });
  expect(config).toEqual({ region: "north" });
  await installSource(caisson, caisson.north, "kept");
  expect(await seenBy(caisson.north, "kept")).toEqual(seen);
  expect(await caisson.install(caisson.north, "acme.kept", { config: {} })).toBe("ready");
});

test("tenants with the same extension never see each other's values [CONFIG-TENANT]", async () => {
  await installSource(caisson, caisson.north, "greeter", { config: { greeting: "of north" } });
  await installSource(caisson, caisson.south, "greeter", { config: { region: "south" } });
  expect(await seenBy(caisson.south)).toMatchObject({ greeting: "Hello" });
  expect(await seenBy(caisson.north)).toMatchObject({ all: [["greeting", "of north"]] });
});

test("a tenant's own values are seen [CONFIG-TENANT twin]", async () => {
  await installSource(caisson, caisson.north, "greeter", { config: { greeting: "of north" } });
  expect(await seenBy(caisson.north)).toMatchObject({ greeting: "of north" });
});

/** Set by the tenant at the install door, or by whoever holds the key that signs grants. */
async function setting(name: string, by: "tenant" | "state key"): Promise<string> {
  const [extension, config] = [`${by === "tenant" ? "install" : "load"}-${name}`, { [name]: "x" }];
  await publish(extension, VALUES);
  if (by === "tenant") return caisson.install(caisson.north, `acme.${extension}`, { config });
  await installSource(caisson, caisson.north, extension);
  return loadGranted(caisson, `acme.${extension}`, (grant) => ({ ...grant, config }));
}

test("install and load refuse a name that the signed config does not declare [CONFIG-DECLARED]", async () => {
  expect(await setting("undeclared", "tenant")).toBe("refused: install.refused config.unknown");
  expect(await setting("undeclared", "state key")).toMatch(/^failed .*config\.unknown/);
});

test("install and load accept a name that the signed config declares [CONFIG-DECLARED twin]", async () => {
  expect(await setting("region", "tenant")).toBe("ready");
  expect(await setting("region", "state key")).toBe("ready ");
});

test("install refuses to do without a value that the extension needs [CONFIG-REQUIRED]", async () => {
  expect(await caisson.install(caisson.south, "acme.needy")).toBe(
    "refused: install.refused config.missing",
  );
});

test("install accepts the value that the extension needs [CONFIG-REQUIRED twin]", async () => {
  const config = { endpoint: "https://api.example.com" };
  expect(await caisson.install(caisson.south, "acme.needy", { config })).toBe("ready");
});

const greetingOf = (greeting: string) =>
  caisson.install(caisson.north, "acme.greeter", { config: { greeting } });

test("install refuses a value over its bound, counted in bytes [CONFIG-BOUNDS]", async () => {
  expect(await greetingOf("ü".repeat(2_049))).toBe("refused: install.refused config.too-large");
});

test("install accepts a value within its bound [CONFIG-BOUNDS twin]", async () => {
  expect(await greetingOf("ü".repeat(2_048))).toBe("ready");
});
