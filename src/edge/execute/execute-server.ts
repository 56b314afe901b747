import type {
  IncomingMessage,
  RequestListener,
  Server,
  ServerOptions,
  ServerResponse,
} from "node:http";
import { TrustError } from "#trust";
import {
  classOf,
  bodyClaim,
  EXECUTE_CANCEL_PATH,
  EXECUTE_PATH,
  FrameWriter,
  limits,
  MAX_CANCEL_BYTES,
  MAX_EXECUTE_BYTES,
  parseCancel,
  parseExecuteCall,
  PROOF_HEADER,
} from "#contract";
import type { ErrorCode, ExecuteHead, ExecutionRecord, Grant, RunnerClass } from "#contract";
import { matchEndpoint, refuse, routingTable, Slots } from "#gateway";
import type { RouteMatch, RoutingTable, SandboxPort } from "#gateway";
import { newId, readBounded } from "#platform";
import type { Served, Written } from "#link";
import type { Admission, Caller } from "./admission.ts";
import { ExecuteCall } from "./execute-call.ts";

export interface ExecuteParts {
  /** Makes the server, with TLS. */
  readonly serve: (options: ServerOptions, listener: RequestListener) => Server;
  readonly admission: Admission;
  /** This runner's edge id. */
  readonly runner: string;
  /** The newest verified snapshot that is not too old; null: nothing may run. */
  readonly fresh: () => Served | null;
  /** The grant behind a handle that this runner's sandbox holds. */
  readonly grantOf: (handle: string) => Grant | undefined;
  readonly sandbox: (runnerClass: RunnerClass) => SandboxPort | null;
  /** Of calls that no gateway records; tells `answer` when the record is written. */
  readonly record: (record: ExecutionRecord, answer: Written) => void;
  readonly spoolOpen: () => boolean;
  readonly onAnswer: (code: ErrorCode | "ok") => void;
}

const HEADER_BYTES = 16 * 1_024;
const HEADERS_MS = 10_000;
const REQUEST_MS = 60_000;
const KEPT_MS = 65_000;
const MAX_CONNECTIONS = 1_024;

/** `POST /v1/execute`: calls of gateways and operators elsewhere, on this runner's own sandbox. */
export class ExecuteServer {
  readonly server: Server;
  readonly #parts: ExecuteParts;
  readonly #calls = new Map<string, ExecuteCall>();
  readonly #writer = new FrameWriter();
  readonly #slots = new Slots();
  #routes: { readonly of: Served; readonly table: RoutingTable } | null = null;
  #heldBytes = 0;

  constructor(parts: ExecuteParts) {
    this.#parts = parts;
    this.server = parts.serve(
      {
        maxHeaderSize: HEADER_BYTES,
        headersTimeout: HEADERS_MS,
        requestTimeout: REQUEST_MS,
        keepAliveTimeout: KEPT_MS,
      },
      (request, response) => void this.#handle(request, response),
    );
    this.server.maxConnections = MAX_CONNECTIONS;
  }

  /** Calls that have no answer yet. */
  get open(): number {
    return this.#calls.size;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = newId("request");
    const refused = await this.#answer(request, response, id).catch((error: unknown) => {
      if (error instanceof TrustError) return "request.malformed" as const;
      return request.destroyed ? null : ("internal.error" as const);
    });
    if (refused === null) return;
    this.#parts.onAnswer(refused);
    if (response.headersSent) response.destroy();
    else refuse(request, response, id, refused);
  }

  /** Null where the answer is on its way. */
  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
  ): Promise<ErrorCode | null> {
    const { method, url } = request;
    if (method === "GET" && url === EXECUTE_PATH) return this.#sendPresence(response);
    if (method !== "POST" || (url !== EXECUTE_PATH && url !== EXECUTE_CANCEL_PATH))
      return "route.unknown";
    const caller = this.#parts.admission.admit({
      authorization: request.headers.authorization,
      proof: textOf(request.headers[PROOF_HEADER]),
    });
    if (typeof caller === "string") return caller;
    if (url === EXECUTE_CANCEL_PATH) return this.#cancel(request, response, caller);
    return this.#execute(request, response, { caller, id });
  }

  /** For whoever asks control for a token: no secret is in it. */
  #sendPresence(response: ServerResponse): null {
    const { runner, admission } = this.#parts;
    sendJson(response, { runner, boot: admission.boot });
    return null;
  }

  async #execute(
    request: IncomingMessage,
    response: ServerResponse,
    { caller, id }: { caller: Caller; id: string },
  ): Promise<ErrorCode | null> {
    const size = declaredSize(request);
    if (size === null) return "request.malformed";
    if (size > MAX_EXECUTE_BYTES) return "request.too_large";
    if (this.#heldBytes + size > limits.executeHeldBytes.value) return "runner.capacity";
    const release = this.#hold(size);
    try {
      const bytes = await readBounded(request, size);
      if (bytes === null || bodyClaim(bytes) !== caller.body) return release("execute.body"); // stops: a token that was taken for another call
      const parsed = parseExecuteCall(bytes);
      if (parsed === "too-large") return release("request.too_large");
      const refused = this.#open(response, { caller, id, release, ...parsed });
      return refused === null ? null : release(refused);
    } catch (error) {
      release(null);
      throw error;
    }
  }

  /** Gives back what it is given; the first time it also gives the bytes back. */
  #hold(size: number): Release {
    let held = size;
    this.#heldBytes += size;
    return (code) => {
      this.#heldBytes -= held;
      held = 0;
      return code;
    };
  }

  /** snapshot → install → fence → handle → endpoint → sandbox. */
  #open(response: ServerResponse, asked: Asked): ErrorCode | null {
    const { head, caller } = asked;
    const served = this.#parts.fresh();
    if (served === null) return "policy.unavailable";
    if (caller.kind === "operator" && !this.#parts.spoolOpen()) return "policy.unavailable";
    const install = this.#table(served).install(head.tenant, head.extension);
    if (install?.id !== head.install) return "execute.handle";
    if (install.fence !== null)
      return install.fence.reversible ? "call.halted" : "artifact.refused"; // stops: what is stopped, whatever the gateway knows
    const grant = this.#parts.grantOf(head.handle);
    if (grant?.tenant !== head.tenant || grant.install !== head.install) return "execute.handle"; // stops: a tenant's call into another one's install
    const route = matchEndpoint(install, head.method, segmentsOf(head.path));
    if (route === null) return "endpoint.unknown";
    const sandbox = this.#parts.sandbox(classOf(grant.limits));
    if (sandbox === null) return "runner.lost";
    const name = `${caller.id} ${head.execution}`;
    if (this.#calls.has(name)) return "request.malformed";
    return this.#start(response, sandbox, { ...asked, route, name }) ? null : "request.malformed";
  }

  #start(response: ServerResponse, sandbox: SandboxPort, asked: Opened): boolean {
    const call = new ExecuteCall({
      ...asked,
      response,
      writer: this.#writer,
      record: asked.caller.kind === "operator" ? this.#parts.record : null,
      onEnd: (code) => {
        this.#calls.delete(asked.name);
        asked.release(null);
        this.#parts.onAnswer(code);
      },
    });
    if (!call.open(sandbox)) return false;
    this.#calls.set(asked.name, call);
    return true;
  }

  /** The result follows on the call's own connection. */
  async #cancel(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
  ): Promise<ErrorCode | null> {
    const bytes = await readBounded(request, MAX_CANCEL_BYTES);
    if (bytes === null) return "request.too_large";
    if (bodyClaim(bytes) !== caller.body) return "execute.body";
    const call = this.#calls.get(`${caller.id} ${parseCancel(bytes)}`);
    call?.cancel();
    sendJson(response, { cancelled: call !== undefined });
    return null;
  }

  #table(served: Served): RoutingTable {
    if (this.#routes?.of !== served)
      this.#routes = { of: served, table: routingTable(served, this.#slots) };
    return this.#routes.table;
  }
}

type Release = <T>(code: T) => T;

interface Asked {
  readonly caller: Caller;
  /** Of the request, for who looks into the log. */
  readonly id: string;
  readonly head: ExecuteHead;
  readonly body: Buffer;
  /** The body is held no longer. */
  readonly release: Release;
}

interface Opened extends Asked {
  readonly route: RouteMatch;
  readonly name: string;
}

/** Null without a length: what is not announced is not read. */
function declaredSize({ headers }: IncomingMessage): number | null {
  const text = headers["content-length"];
  if (text === undefined || headers["transfer-encoding"] !== undefined) return null;
  return /^[0-9]{1,10}$/.test(text) ? Number(text) : null;
}

function textOf(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" ? header : undefined;
}

/** The path is decoded already. */
function segmentsOf(path: string): string[] {
  return path === "/" ? [] : path.slice(1).split("/");
}

function sendJson(response: ServerResponse, value: object): void {
  const body = JSON.stringify(value);
  response
    .writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "cache-control": "no-store",
    })
    .end(body);
}
