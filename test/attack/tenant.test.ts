import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiError, call, operations } from "../../src/core/http-api/index.ts";
import type { ApiAddress, Operation } from "../../src/core/http-api/index.ts";
import type { SignedArtifact } from "../../src/kit/index.ts";
import { pack } from "../e2e/caisson.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { lastAnswer } from "../e2e/until.ts";
import { newSigner } from "../fakes/releases.ts";

let caisson: Caisson;
beforeAll(async () => (caisson = await startCaisson()));
afterAll(() => caisson[Symbol.asyncDispose]());

type AnyInput = NonNullable<Parameters<typeof call<Operation>>[2]>;
type OperationName = keyof typeof operations;

/** What of the first tenant's is there to be reached. */
interface Things {
  readonly tenant: string;
  readonly extension: string;
  readonly key: string;
  readonly verdict: string;
  readonly request: string;
  readonly pending: SignedArtifact;
  readonly runner: string;
}

async function makeThings(name: string): Promise<Things> {
  const { north } = caisson;
  await caisson.serve({ name, guest: "log-writer", capabilities: ["log"] });
  const extension = `acme.${name}`;
  const { verdict } = await call(north, operations.installShow, {
    params: { tenant: north.id, extension },
  });
  const { id } = await call(north, operations.keyCreate, {
    params: { tenant: north.id },
    body: { name: "to be reached", actions: ["ext:call"] },
  });
  const request = await executedRequest(extension);
  const pending = caisson.sign(await pack({ name: `${name}-pending` }));
  const { items } = await call(caisson.operator, operations.edgeList);
  const runner = items.find(({ edge }) => edge.kind === "runner")?.edge.id ?? "";
  return { tenant: north.id, extension, key: id, verdict, request, pending, runner };
}

/** The id of a request whose record control has. */
async function executedRequest(extension: string): Promise<string> {
  const { north, gatewayPort } = caisson;
  const answer = await fetch(`http://127.0.0.1:${gatewayPort}/api/ext/${extension}/`, {
    headers: { authorization: `Bearer ${north.key}` },
  });
  const request = answer.headers.get("x-request-id") ?? "";
  await lastAnswer(
    () => reach(north, "executionShow", { params: { tenant: north.id, request } }),
    (code) => code === "accepted",
  );
  return request;
}

/** "accepted", or the code of the refusal. */
async function reach(address: ApiAddress, name: OperationName, input: AnyInput): Promise<string> {
  try {
    await call(address, operations[name] as Operation, input);
    return "accepted";
  } catch (error) {
    if (error instanceof ApiError) return error.code;
    throw error;
  }
}

interface Probe {
  readonly input: (things: Things) => AnyInput;
  /** What another tenant's key gets; a probe without refusal is for all, and says why. */
  readonly refused?: string;
  readonly open?: string;
  /** Only the operator may: the twin asks with the operator's key. */
  readonly operatorOnly?: true;
}

const inTenant = ({ tenant }: Things) => ({ params: { tenant } });
const onInstall = ({ tenant, extension }: Things) => ({ params: { tenant, extension } });
const foreign = "auth.tenant";
const operatorOnly = { refused: "auth.forbidden", operatorOnly: true } as const;
let made = 0;

/** One probe per operation of the contract: the type demands it. What takes away comes last. */
const probes: Readonly<Record<OperationName, Probe>> = {
  health: { open: "says that control runs and nothing else", input: () => ({}) },
  postureShow: { open: "says what docs/claims.md says, and nothing of tenants", input: () => ({}) },
  trustPins: { open: "public keys, the same for everybody", input: () => ({}) },
  whoami: { open: "answers about the asking key alone", input: () => ({}) },
  artifactList: { open: "admitted artifacts are public to all tenants", input: () => ({}) },
  tenantCreate: { ...operatorOnly, input: () => ({ body: { name: `made-${made++}` } }) },
  tenantList: { ...operatorOnly, input: () => ({}) },
  publisherCreate: {
    ...operatorOnly,
    input: ({ tenant }) => ({ body: { name: `made-${made++}`, tenant } }),
  },
  trustList: { ...operatorOnly, input: () => ({}) },
  trustAdd: {
    ...operatorOnly,
    input: () => ({ body: { pem: newSigner().publicKey.toPem() } }),
  },
  trustScope: {
    ...operatorOnly,
    input: () => ({
      params: { spki: caisson.signer.publicKey.spkiDigest },
      body: { publishers: ["acme"], kinds: ["extension"], doors: ["publish", "install", "load"] },
    }),
  },
  keyCreate: {
    refused: foreign,
    input: (things) => ({ ...inTenant(things), body: { name: "taken", actions: ["ext:call"] } }),
  },
  keyList: { refused: foreign, input: inTenant },
  publishCheck: {
    refused: foreign,
    input: ({ pending: { config, digest } }) => ({
      body: {
        extension: `acme.${config.name}`,
        version: config.version,
        contentHash: digest,
      },
    }),
  },
  publish: {
    refused: foreign,
    input: ({ pending: { config, digest } }) => ({
      body: {
        extension: `acme.${config.name}`,
        version: config.version,
        contentHash: digest,
      },
    }),
  },
  install: {
    refused: foreign,
    input: (things) => ({ ...inTenant(things), body: { extension: things.extension } }),
  },
  installList: { refused: foreign, input: inTenant },
  installShow: { refused: foreign, input: onInstall },
  verdictShow: {
    refused: "verdict.unknown",
    input: ({ verdict }) => ({ params: { id: verdict } }),
  },
  verdictEvidence: {
    refused: "verdict.unknown",
    input: ({ verdict }) => ({ params: { id: verdict } }),
  },
  executionShow: {
    refused: foreign,
    input: ({ tenant, request }) => ({ params: { tenant, request } }),
  },
  executionEvidence: {
    refused: foreign,
    input: ({ tenant, request }) => ({ params: { tenant, request } }),
  },
  logList: { refused: foreign, input: inTenant },
  fenceList: { ...operatorOnly, input: () => ({}) },
  fenceSet: {
    refused: foreign,
    input: ({ tenant }) => ({ body: { scope: "tenant", id: tenant, reason: "probe" } }),
  },
  fenceLift: {
    refused: foreign,
    input: ({ tenant }) => ({ body: { scope: "tenant", id: tenant } }),
  },
  keyRevoke: { refused: foreign, input: ({ tenant, key }) => ({ params: { tenant, key } }) },
  uninstall: { refused: foreign, input: onInstall },
  edgeList: { ...operatorOnly, input: () => ({}) },
  executeToken: {
    ...operatorOnly,
    input: ({ runner }) => ({ body: { runner, boot: "A".repeat(22), body: "A".repeat(43) } }),
  },
  edgeEnrol: { ...operatorOnly, input: () => ({ body: { kind: "broker", name: "probed" } }) },
  edgeRemove: { ...operatorOnly, input: () => ({ params: { edge: "probed" } }) },
};

const names = Object.keys(probes) as OperationName[]; // the record has exactly these keys

test("the probes cover every operation of the contract", () => {
  expect(names.toSorted()).toEqual(Object.keys(operations).toSorted());
});

test("the API refuses a second tenant at every operation on the first one's things [API-TENANT]", async () => {
  const things = await makeThings("reached");
  await caisson.push(things.pending);
  const refused = names.filter((name) => probes[name].open === undefined);
  const codes: Record<string, string> = {};
  for (const name of refused)
    codes[name] = await reach(caisson.south, name, probes[name].input(things));
  expect(codes).toEqual(Object.fromEntries(refused.map((name) => [name, probes[name].refused])));
});

test("the API accepts the first tenant, or the operator, at every operation [API-TENANT twin]", async () => {
  const things = await makeThings("own");
  await caisson.push(things.pending);
  const codes: Record<string, string> = {};
  for (const name of names) {
    const by = probes[name].operatorOnly === undefined ? caisson.north : caisson.operator;
    codes[name] = await reach(by, name, probes[name].input(things));
  }
  expect(codes).toEqual(Object.fromEntries(names.map((name) => [name, "accepted"])));
});

async function registry(address: ApiAddress, path: string, method = "GET"): Promise<number> {
  const response = await fetch(new URL(path, address.url), {
    method,
    headers: { authorization: `Bearer ${address.key}` },
  });
  await response.arrayBuffer();
  return response.status;
}

/** What reads or changes a repository, about an artifact that is pushed and not admitted. */
function repositoryRoutes({ config, digest, blobs, referrerDigest }: SignedArtifact) {
  const at = `/v2/acme/${config.name}`;
  const [blob = ""] = blobs.keys();
  return [
    [`${at}/manifests/${digest}`, "GET"],
    [`${at}/manifests/${config.version}`, "GET"],
    [`${at}/manifests/${referrerDigest}`, "GET"],
    [`${at}/blobs/${blob}`, "GET"],
    [`${at}/blobs/uploads/`, "POST"],
  ] as const;
}

async function statuses(address: ApiAddress, artifact: SignedArtifact): Promise<number[]> {
  const found: number[] = [];
  for (const [path, method] of repositoryRoutes(artifact))
    found.push(await registry(address, path, method));
  return found;
}

test("the registry hides what is pushed and not admitted from a second tenant [API-PENDING]", async () => {
  const pending = caisson.sign(await pack({ name: "hidden" }));
  await caisson.push(pending);
  expect(await statuses(caisson.south, pending)).toEqual([404, 404, 404, 404, 403]);
});

test("the registry shows it to the publisher's own tenant [API-PENDING twin]", async () => {
  const pending = caisson.sign(await pack({ name: "shown" }));
  await caisson.push(pending);
  expect(await statuses(caisson.north, pending)).toEqual([200, 200, 200, 200, 202]);
});

async function key(actions: string[], by = caisson.operator) {
  return call(by, operations.keyCreate, {
    params: { tenant: caisson.north.id },
    body: { name: "some", actions },
  });
}

test("the API refuses a revoked key [API-REVOKED]", async () => {
  const { id, key: secret } = await key(["install:read"]);
  await call(caisson.operator, operations.keyRevoke, {
    params: { tenant: caisson.north.id, key: id },
  });
  const address = { url: caisson.operator.url, key: secret };
  expect(await reach(address, "whoami", {})).toBe("auth.required");
});

test("the API accepts a key that stands [API-REVOKED twin]", async () => {
  const { key: secret } = await key(["install:read"]);
  const address = { url: caisson.operator.url, key: secret };
  expect(await reach(address, "whoami", {})).toBe("accepted");
});

/** A key that may make keys, and the key that it tries to make. */
async function widen(actions: string[]): Promise<string> {
  const { key: secret } = await key(["key:manage", "install:read"]);
  const address = { url: caisson.operator.url, key: secret };
  const input = { params: { tenant: caisson.north.id }, body: { name: "wider", actions } };
  return reach(address, "keyCreate", input);
}

test("the API lets no key give more than it has [API-WIDEN]", async () => {
  expect(await widen(["install:read", "install:manage"])).toBe("auth.forbidden");
});

test("the API lets a key give what it has [API-WIDEN twin]", async () => {
  expect(await widen(["install:read", "key:manage"])).toBe("accepted");
});
