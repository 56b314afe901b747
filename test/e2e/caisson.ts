import { request } from "node:http";
import { join } from "node:path";
import pg from "pg";
import { parseExtensionConfig } from "../../src/core/contract/index.ts";
import { ApiError, call, operations } from "../../src/core/http-api/index.ts";
import type { ApiAddress } from "../../src/core/http-api/index.ts";
import { denialCodes } from "../../src/core/policy/index.ts";
import type { Reason } from "../../src/core/policy/index.ts";
import { assemble, pushArtifact, signPacked } from "../../src/kit/index.ts";
import type { Packed, SignedArtifact } from "../../src/kit/index.ts";
import type { Signer } from "../../src/core/trust/index.ts";
import { buildGuest } from "../guests/guests.ts";
import { childrenOf } from "./children.ts";
import { until } from "./until.ts";

export interface Tenant extends ApiAddress {
  readonly name: string;
  readonly id: string;
}

export interface CaissonParts {
  readonly data: string;
  readonly runtime: string;
  readonly operator: ApiAddress;
  /** Owns publisher acme. */
  readonly north: Tenant;
  readonly south: Tenant;
  /** Trusted for acme at every door. */
  readonly signer: Signer;
  readonly pid: number;
  readonly output: () => string;
  readonly stop: () => Promise<void>;
}

/** What a test says of an extension; the rest is as small as it can be. */
export interface ExtensionParts {
  readonly name: string;
  /** acme unless told; another one has to be made first. */
  readonly publisher?: string;
  readonly version?: string;
  readonly guest?: string;
  readonly capabilities?: readonly string[];
  readonly endpoints?: readonly { readonly method: string; readonly path: string }[];
  readonly limits?: {
    readonly memoryBytes?: number;
    readonly deadlineMs?: number;
    readonly fuel?: number;
  };
  /** A component of the test's own, in place of a guest of test/guests. */
  readonly component?: Uint8Array;
}

export interface Answer {
  readonly status: number;
  /** Of a refusal; "" where the extension answered. */
  readonly code: string;
  readonly body: string;
}

export interface CallInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** A running Caisson, as its users and its attackers reach it. */
export class Caisson implements AsyncDisposable {
  readonly #parts: CaissonParts;

  constructor(parts: CaissonParts) {
    this.#parts = parts;
  }

  get data(): string {
    return this.#parts.data;
  }
  /** Of the supervisor. */
  get pid(): number {
    return this.#parts.pid;
  }
  get runtime(): string {
    return this.#parts.runtime;
  }
  get operator(): ApiAddress {
    return this.#parts.operator;
  }
  get north(): Tenant {
    return this.#parts.north;
  }
  get south(): Tenant {
    return this.#parts.south;
  }
  get supervisorPid(): number {
    return this.#parts.pid;
  }
  get signer(): Signer {
    return this.#parts.signer;
  }
  /** Lines of all processes. */
  get output(): string {
    return this.#parts.output();
  }
  get gatewayPort(): number {
    return Number(new URL(this.operator.url).port) + 1;
  }

  sign(packed: Packed, signer = this.signer): SignedArtifact {
    return signPacked(packed, signer, new Date());
  }

  /** Pushes as the publisher's own tenant. */
  async push(artifact: SignedArtifact): Promise<void> {
    await pushArtifact(this.north, artifact);
  }

  /** Pushes and asks the publish door: "admitted", or "refused: " and every code. */
  async publish(
    artifact: SignedArtifact,
    by: "version" | "digest" = "version",
    address: ApiAddress = this.north,
  ): Promise<string> {
    await pushArtifact(address, artifact, by);
    return this.judge(artifact, artifact.config.version, address);
  }

  /** Asks the publish door about what was pushed. */
  judge(artifact: Packed, version: string, address: ApiAddress = this.north): Promise<string> {
    const { publisher, name } = artifact.config;
    const body = { extension: `${publisher}.${name}`, version, contentHash: artifact.digest };
    return outcome("admitted", call(address, operations.publish, { body }));
  }

  /** "ready" when a runner serves it, "failed: " and why none does, or "refused: " and the door's codes. */
  async install(
    tenant: Tenant,
    extension: string,
    request: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const params = { tenant: tenant.id };
    const body = { extension, ...request };
    const said = await outcome("installed", call(tenant, operations.install, { params, body }));
    if (said !== "installed") return said;
    return until(`${extension} to be ready or not`, async () => {
      const { state, failure } = await call(tenant, operations.installShow, {
        params: { tenant: tenant.id, extension },
      });
      if (state === "failed" || failure !== null) return `failed: ${failure ?? ""}`;
      return state === "ready" ? state : null;
    });
  }

  async uninstall(tenant: Tenant, extension: string): Promise<void> {
    await call(tenant, operations.uninstall, { params: { tenant: tenant.id, extension } });
  }

  /** Builds, signs and publishes an extension that every door accepts, and installs it for a tenant. */
  async serve(parts: ExtensionParts, tenant = this.north): Promise<SignedArtifact> {
    const artifact = this.sign(await pack(parts));
    const extension = `${artifact.config.publisher}.${artifact.config.name}`;
    const said = [await this.publish(artifact), await this.install(tenant, extension)].join(", ");
    if (said !== "admitted, ready") throw new Error(`cannot serve ${extension}: ${said}`);
    await this.untilRouted(tenant, extension);
    return artifact;
  }

  /** Waits until the gateway knows the install: its snapshot comes a moment after control's answer. */
  async untilRouted(tenant: Tenant, extension: string): Promise<void> {
    await until(`the gateway to know ${extension}`, async () => {
      const { code } = await this.call(tenant.key, `/api/ext/${extension}/nowhere/to/go`);
      return code === "endpoint.unknown" || code === "" ? true : null;
    });
  }

  /** One request to the gateway, its target sent byte for byte. */
  call(key: string, target: string, init: CallInit = {}): Promise<Answer> {
    return send(this.gatewayPort, target, {
      ...init,
      headers: { authorization: `Bearer ${key}`, ...init.headers },
    });
  }

  /** What the registry gives the operator under a path. */
  async fetchRegistry(path: string): Promise<Uint8Array> {
    const response = await fetch(new URL(path, this.operator.url), {
      headers: { authorization: `Bearer ${this.operator.key}` },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }

  /** A client on control's database, as whoever holds its disk has one. */
  async sql(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    const client = await this.#connected();
    try {
      const { rows } = await client.query<Record<string, unknown>>(text, values);
      return rows;
    } finally {
      await client.end();
    }
  }

  /** Works while a transaction of somebody else holds the rows that the statement locks. */
  async whileLocked(statement: string, work: () => Promise<void>): Promise<void> {
    const client = await this.#connected();
    try {
      await client.query("begin");
      await client.query(statement);
      await work();
    } finally {
      await client.end();
    }
  }

  async #connected(): Promise<pg.Client> {
    const client = new pg.Client({
      host: this.runtime,
      port: 5432,
      user: "caisson_super",
      database: "caisson",
    });
    await client.connect();
    return client;
  }

  /** Id of the running process of that name. */
  pidOf(name: "control" | "runner" | "gateway"): number {
    const [pid] = childrenOf(this.#parts.pid, join("src/apps", `${name}.ts`));
    if (pid === undefined) throw new Error(`no ${name} runs`);
    return pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.stop();
  }
}

export async function pack(parts: ExtensionParts): Promise<Packed> {
  const config = configOf(parts);
  const component = parts.component ?? (await buildGuest(parts.guest ?? "hello"));
  return assemble(
    config,
    parseExtensionConfig(config),
    mark(component, `${parts.publisher ?? ""}${parts.name}`),
  );
}

/** A custom section at the end makes each test's component its own: blobs, builds and loads are kept by digest. */
function mark(component: Uint8Array, text: string): Uint8Array {
  const body = Buffer.from(text);
  const head = Buffer.of(0, body.length + 5, 4, ...Buffer.from("test"));
  return new Uint8Array(Buffer.concat([component, head, body]));
}

function configOf(parts: ExtensionParts): Uint8Array {
  const text = JSON.stringify({
    schema: 1,
    publisher: parts.publisher ?? "acme",
    name: parts.name,
    version: parts.version ?? "1.0.0",
    wit: "caisson:ext@1.0.0",
    component: "main.wasm",
    endpoints: parts.endpoints ?? [{ method: "GET", path: "/" }],
    capabilities: Object.fromEntries((parts.capabilities ?? []).map((name) => [name, {}])),
    limits: { memoryBytes: 1_048_576, deadlineMs: 1_000, ...parts.limits },
  });
  return new TextEncoder().encode(text);
}

async function outcome(accepted: string, work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return accepted;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const reasons = (error.reasons ?? []) as readonly Reason[]; // the API sends the verdict's own tree
    return `refused: ${[error.code, ...denialCodes(reasons)].join(" ")}`;
  }
}

/** A call without an answer for so long has hung. */
const ANSWER_MS = 20_000;

export function send(port: number, target: string, init: CallInit): Promise<Answer> {
  return new Promise((resolve) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port,
        path: target,
        method: init.method ?? "GET",
        headers: init.headers,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", (error) =>
          resolve({ status: 0, code: "connection.ended", body: String(error) }),
        );
        response.on("end", () => {
          const body = Buffer.concat(chunks).toString("utf8");
          resolve({ status: response.statusCode ?? 0, code: codeOf(body), body });
        });
      },
    );
    // A server that ends the connection has answered, too.
    sent.on("error", (error) =>
      resolve({ status: 0, code: "connection.ended", body: String(error) }),
    );
    sent.setTimeout(ANSWER_MS, () => sent.destroy(new Error("no answer")));
    sent.end(init.body);
  });
}

function codeOf(body: string): string {
  try {
    const { code } = JSON.parse(body) as { code?: unknown };
    return typeof code === "string" ? code : "";
  } catch {
    return "";
  }
}
