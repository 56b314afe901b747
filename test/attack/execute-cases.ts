import { createPrivateKey, randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  bodyClaim,
  executeCallBytes,
  FrameDecoder,
  frameTypes,
  PROOF_HEADER,
  readResult,
  sealEdgeCredential,
  sealExecuteToken,
  sealProof,
} from "../../src/core/contract/index.ts";
import type { CallToken, EdgeCredential, ExecuteHead } from "../../src/core/contract/index.ts";
import { call, operations } from "../../src/core/http-api/index.ts";
import { createSigner } from "../../src/core/trust/index.ts";
import type { Signer } from "../../src/core/trust/index.ts";
import type { Caisson, Tenant } from "../e2e/caisson.ts";
import { freePorts } from "../e2e/free-ports.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { certificate, newKey, pemOf } from "../e2e/start-production.ts";
import { until } from "../e2e/until.ts";

const ANSWER_MS = 20_000;

/** What is sent to a runner; attacker-controlled, every part. */
export interface Sent {
  readonly authorization?: string;
  readonly proof?: string;
  readonly body: Buffer;
  readonly path?: string;
}

/** A Caisson whose runner takes calls from elsewhere, and everything that its attackers could hold. */
export class ExecuteRig implements AsyncDisposable {
  readonly caisson: Caisson;
  readonly port: number;
  readonly ca: string;
  /** Control's state key. */
  readonly state: Signer;
  /** Edge ids. */
  readonly runner: string;
  readonly gateway: string;
  readonly #folder: string;

  static async start(): Promise<ExecuteRig> {
    const folder = await mkdtemp(join(tmpdir(), "cai-x-"));
    const [key, port] = [newKey(), await freePorts()];
    const ca = certificate(key);
    const [certFile, keyFile] = [join(folder, "runner.crt"), join(folder, "runner.key")];
    await writeFile(certFile, ca);
    await writeFile(keyFile, pemOf(key), { mode: 0o600 });
    const caisson = await startCaisson({
      CAISSON_RUNNER_TLS_CERT: certFile,
      CAISSON_RUNNER_TLS_KEY: keyFile,
      CAISSON_RUNNER_BIND: "127.0.0.1",
      CAISSON_RUNNER_PORT: String(port),
    });
    const read = (path: string) => readFile(join(caisson.data, path), "utf8");
    const edgeOf = async (kind: string) =>
      (JSON.parse(await read(`edge/${kind}.json`)) as { edge: string }).edge;
    return new ExecuteRig({
      caisson,
      port,
      ca,
      state: createSigner(createPrivateKey(await read("keys/state.pem"))),
      runner: await edgeOf("runner"),
      gateway: await edgeOf("gateway"),
      folder,
    });
  }

  private constructor(parts: {
    caisson: Caisson;
    port: number;
    ca: string;
    state: Signer;
    runner: string;
    gateway: string;
    folder: string;
  }) {
    this.caisson = parts.caisson;
    this.port = parts.port;
    this.ca = parts.ca;
    this.state = parts.state;
    this.runner = parts.runner;
    this.gateway = parts.gateway;
    this.#folder = parts.folder;
  }

  /** What the runner says of its present start. */
  async boot(): Promise<string> {
    return until("the runner's door", async () => {
      const { status, body } = await this.#request("GET", "/v1/execute", {}, Buffer.alloc(0));
      return status === 200 ? (JSON.parse(body.toString()) as { boot: string }).boot : null;
    });
  }

  /** The head of a call to a tenant's install. */
  async head(tenant: Tenant, extension: string): Promise<ExecuteHead> {
    const { id, handle } = await call(tenant, operations.installShow, {
      params: { tenant: tenant.id, extension },
    });
    return {
      execution: randomUUID(),
      tenant: tenant.id,
      install: id,
      extension,
      handle,
      principal: "test",
      method: "GET",
      path: "/",
      query: "",
      deadlineMicros: 20_000_000,
      headers: [],
    };
  }

  /** The body of a call that a runner answers. */
  async body(tenant: Tenant, extension: string): Promise<Buffer> {
    return executeCallBytes(await this.head(tenant, extension), Buffer.alloc(0));
  }

  /** Claims of a token for `body` that holds now. */
  async claims(body: Buffer, change: Partial<CallToken> = {}): Promise<CallToken> {
    const issuedAt = Math.floor(Date.now() / 1_000);
    return {
      issuer: this.state.publicKey.spkiDigest,
      subject: `operator ${randomUUID()}`,
      audience: this.runner,
      issuedAt,
      expiresAt: issuedAt + 60,
      id: randomBytes(16).toString("base64url"),
      boot: await this.boot(),
      body: bodyClaim(body),
      ...change,
    };
  }

  /** An operator's token, as control mints it unless told. */
  async token(body: Buffer, change: Partial<CallToken> = {}, signer = this.state): Promise<Sent> {
    const token = sealExecuteToken(await this.claims(body, change), signer);
    return { authorization: `Bearer ${token}`, body };
  }

  /** A gateway's credential for a key, as control mints it. */
  credential(key: Signer, change: Partial<EdgeCredential> = {}): string {
    const issuedAt = Math.floor(Date.now() / 1_000);
    return sealEdgeCredential(
      {
        issuer: this.state.publicKey.spkiDigest,
        subject: this.gateway,
        audience: this.runner,
        issuedAt,
        expiresAt: issuedAt + 900,
        key: key.publicKey,
        ...change,
      },
      this.state,
    );
  }

  /** A gateway's call: its credential, and a proof by `by`. */
  async proved(
    body: Buffer,
    credential: string,
    by: Signer,
    change: Partial<CallToken> = {},
  ): Promise<Sent> {
    const names = { issuer: this.gateway, subject: this.gateway };
    const proof = sealProof(await this.claims(body, { ...names, ...change }), by);
    return { authorization: `Bearer ${credential}`, proof, body };
  }

  /** The code of the runner's refusal, or the outcome of the call. */
  async send({ authorization, proof, body, path = "/v1/execute" }: Sent): Promise<string> {
    const answer = await this.#request(
      "POST",
      path,
      {
        ...(authorization === undefined ? {} : { authorization }),
        ...(proof === undefined ? {} : { [PROOF_HEADER]: proof }),
      },
      body,
    );
    if (answer.status !== 200) return (JSON.parse(answer.body.toString()) as { code: string }).code;
    return outcomeOf(answer.body);
  }

  #request(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Buffer,
  ): Promise<{ status: number; body: Buffer }> {
    return new Promise((resolve) => {
      const sent = request(
        { host: "localhost", port: this.port, ca: this.ca, agent: false, method, path, headers },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }),
          );
        },
      );
      sent.setHeader("content-length", body.length);
      sent.on("error", () => resolve({ status: 0, body: Buffer.from('{"code":"no answer"}') }));
      sent.setTimeout(ANSWER_MS, () => sent.destroy());
      sent.end(body);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.caisson[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Outcome of a call, from the frames that answer it; its code where it is not done. */
function outcomeOf(bytes: Buffer): string {
  let found = "no result";
  const decoder = new FrameDecoder((type, _flags, _stream, frame, start, end) => {
    if (type !== frameTypes.result) return;
    const { outcome, code } = readResult(frame, start, end);
    found = outcome === "done" ? "done" : code;
  });
  decoder.push(bytes);
  return found;
}
