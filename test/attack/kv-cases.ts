import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  BROKER_DEADLINE_HEADER,
  brokerCallBytes,
  denialOf,
  openGrant,
  sealGrant,
} from "../../src/core/contract/index.ts";
import type { Grant } from "../../src/core/contract/index.ts";
import { documentTimes } from "../../src/core/trust/index.ts";
import type { Signer } from "../../src/core/trust/index.ts";
import type { Caisson, Tenant } from "../e2e/caisson.ts";
import { heldKey } from "./held-control.ts";

/** Takes steps from its request's body, one after the other, and tells what came of each. */
export const KV_SOURCE = `
import * as kv from "caisson:kv/store@1.0.0";
import { OutgoingBody } from "caisson:ext/types@1.0.0";
const bytes = (text) => new TextEncoder().encode(text);
const condition = (given) => given === undefined ? { tag: "always" } : given === "absent" ? { tag: "absent" } : { tag: "revision", val: given };
const operations = {
  get: ({ key }) => {
    const entry = kv.get(key);
    return entry === null ? "absent" : "value " + new TextDecoder().decode(entry.value);
  },
  put: ({ key, value, size, only, ttl }) => "revision " + kv.put(key, size === undefined ? bytes(value) : new Uint8Array(size), condition(only), ttl),
  delete: ({ key, only }) => (kv.delete(key, condition(only)), "deleted"),
  list: ({ prefix, cursor, max }) => {
    const page = kv.list(prefix, cursor, max);
    return page.keys.join(" ") + (page.cursor === null ? "" : " cursor " + page.cursor);
  },
};
function said({ op, ...rest }) {
  try {
    return operations[op](rest);
  } catch (error) {
    if (error.payload === undefined) throw error;
    const { tag, val } = error.payload;
    return val == null ? tag : tag + " " + val;
  }
}
export const handler = {
  handle(request) {
    const steps = JSON.parse(new TextDecoder().decode(request.body.readAll(1_000_000)));
    const results = [];
    for (const { times = 1, ...step } of steps) {
      let last = "";
      for (let i = 0; i < times; i++) last = said(step);
      results.push(last);
    }
    const out = new OutgoingBody();
    out.write(bytes(JSON.stringify(results)));
    return { status: 200, headers: [], body: out };
  },
};
`;

/** One step of the guest. only: the revision that must stand, or "absent". */
export interface Step {
  readonly op: "get" | "put" | "delete" | "list";
  readonly key?: string;
  readonly value?: string;
  readonly size?: number;
  readonly only?: string;
  readonly ttl?: number;
  readonly prefix?: string;
  readonly cursor?: string;
  readonly max?: number;
  readonly times?: number;
}

/** What came of each step; the error's code where the call itself failed. */
export async function steps(
  caisson: Caisson,
  tenant: Tenant,
  name: string,
  ...asked: readonly Step[]
): Promise<readonly string[]> {
  const { status, code, body } = await caisson.call(tenant.key, `/api/ext/acme.${name}/`, {
    method: "POST",
    body: Buffer.from(JSON.stringify(asked)),
  });
  return status === 200 ? (JSON.parse(body) as string[]) : [code]; // written by the guest above
}

/** The grant that control has on record for an install, as it signed it. */
export async function grantOnRecord(
  caisson: Caisson,
  tenant: Tenant,
  name: string,
): Promise<{ document: Uint8Array; grant: Grant }> {
  const [row] = await caisson.sql(
    `select g.document from install_grant g join install i on i.id = g.install_id
     where i.tenant_id = $1 and i.extension_id = $2 and g.state = 'ready'`,
    [tenant.id, `acme.${name}`],
  );
  const document = row?.["document"] as Uint8Array; // bytea
  const state = await heldKey(caisson, "state");
  return { document, grant: openGrant(document, state.publicKey, new Date()).body };
}

export function sealedBy(grant: Grant, signer: Signer): Uint8Array {
  const now = new Date();
  return sealGrant(grant, documentTimes(now, new Date(now.getTime() + 60_000)), signer);
}

/** A token of an edge of this machine, as whoever holds that edge has it. */
export async function edgeToken(
  caisson: Caisson,
  kind: "broker" | "runner" | "gateway",
): Promise<string> {
  return (await readFile(join(caisson.data, `edge/${kind}.token`), "utf8")).trim();
}

/** Whoever holds that token asks control for a key's value under this grant: a status, a denial, or what stands there. */
export async function askControl(
  caisson: Caisson,
  document: Uint8Array,
  key: string,
  token: string,
): Promise<string> {
  const size = Buffer.alloc(2);
  size.writeUInt16LE(Buffer.byteLength(key));
  const argument = Buffer.concat([Buffer.of(1), size, Buffer.from(key)]);
  const response = await fetch(new URL("/v1/edge/kv", caisson.operator.url), {
    method: "POST",
    body: brokerCallBytes({ grant: document, argument }),
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/octet-stream",
      [BROKER_DEADLINE_HEADER]: "5000000",
    },
  });
  if (!response.ok) return String(response.status);
  const reply = Buffer.from(await response.arrayBuffer());
  if (reply[0] === 33) return "absent";
  return reply[0] === 32
    ? `value ${reply.subarray(18).toString()}`
    : (denialOf(reply) ?? "failure");
}
