import type {
  IncomingMessage,
  RequestListener,
  Server,
  ServerOptions,
  ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { errors, limits } from "#contract";
import type { ErrorCode, ExecutionRecord } from "./gateway-types.ts";
import type { FenceEntry } from "#contract";
import type { Served, Written } from "#link";
import { idText, newId, newIdBytes, UNKNOWN_API_KEY } from "#platform";
import type { Refused, RefusedRequest } from "./call-log.ts";
import { ExtensionCall } from "./extension-call.ts";
import { headersTooLarge, requestHead } from "./headers.ts";
import type { RequestHead } from "./headers.ts";
import { KnownKeys } from "./known-keys.ts";
import { parseTarget } from "./request-target.ts";
import { matchEndpoint, routingTable } from "./routes.ts";
import type { RoutingTable } from "./routes.ts";
import { enter, Slots } from "./slots.ts";
import type { RunnerClass } from "#contract";
import type { SandboxPort } from "./gateway-types.ts";

export interface GatewayParts {
  /** Makes the server: plain, or with TLS. */
  readonly serve: (options: ServerOptions, listener: RequestListener) => Server;
  /** The newest verified snapshot that is not too old; null: nothing may be served. */
  readonly fresh: () => Served | null;
  /** Null while no sandbox of the class answers. */
  readonly sandbox: (runnerClass: RunnerClass) => SandboxPort | null;
  /** Tells `answer` when the record is written, in this turn of the loop. */
  readonly record: (record: ExecutionRecord, answer: Written) => void;
  readonly spoolOpen: () => boolean;
  readonly deadlineMs: number;
  /** False while this gateway leaves: health says so, and connections end with their answer. */
  readonly staying: () => boolean;
  readonly onRefused: (refused: RefusedRequest) => void;
}

/** Node answers 431 above this by itself; ours is counted below and answered with 413. */
const NODE_HEADER_BYTES = 64 * 1_024;
const HEADERS_MS = 10_000;
const LINGER_MS = 1_000;

/** Public traffic of extensions: `/api/ext/[extensionId]/[[...path]]`. */
export class GatewayServer {
  readonly server: Server;
  readonly #parts: GatewayParts;
  readonly #slots = new Slots();
  #routes: Routes | null = null;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.server = parts.serve(
      {
        maxHeaderSize: NODE_HEADER_BYTES,
        headersTimeout: HEADERS_MS,
        keepAliveTimeout: 65_000,
        requestTimeout: 120_000,
      },
      (request, response) => {
        const refused = this.#handle(request, response);
        if (refused !== null) this.#tellRefused(refused, request);
      },
    );
    this.server.on("clientError", onClientError);
  }

  /** size and syntax → identity → install → fence → route → quota → call (runner-and-gateway.md §4). */
  #handle(request: IncomingMessage, response: ServerResponse): Refused | null {
    const idBytes = newIdBytes();
    const id = idText("request", idBytes);
    if (!this.#parts.staying()) response.shouldKeepAlive = false;
    if (request.url === "/healthz") return sendHealth(response, this.#health());
    const head = requestHead(request.rawHeaders);
    if (headersTooLarge(request.rawHeaders) || declaredTooLarge(head))
      return refuse(request, response, id, "request.too_large");
    const target = parseTarget(request.url ?? "");
    if (target === "malformed") return refuse(request, response, id, "request.malformed");
    if (target === null) return refuse(request, response, id, "route.unknown");
    const routes = this.#newestRoutes();
    if (routes === null || !this.#parts.spoolOpen())
      return refuse(request, response, id, "policy.unavailable");
    const { table, keys } = routes;
    const key = keys.find(head.authorization ?? head.apiKey);
    if (key === null) return refuse(request, response, id, "auth.required");
    if (!key.call) return refuse(request, response, id, "auth.forbidden");
    const install = table.install(key.tenant, target.extension);
    if (install === undefined) return refuse(request, response, id, "install.unknown");
    if (install.fence !== null) return refuse(request, response, id, fenceCode(install.fence));
    if (install.state !== "ready") return refuse(request, response, id, "artifact.pending");
    const route = matchEndpoint(install, request.method ?? "", target.segments);
    if (route === null) return refuse(request, response, id, "endpoint.unknown");
    const sandbox = this.#parts.sandbox(install.class);
    if (sandbox === null) return refuse(request, response, id, "runner.lost");
    if (!enter(install.place)) return refuse(request, response, id, "quota.concurrency");
    new ExtensionCall({
      id: { bytes: idBytes, text: id },
      request,
      response,
      noBody: head.contentLength === null && head.transferEncoding === null,
      target,
      key,
      install,
      route,
      record: this.#parts.record,
      deadlineMs: Math.min(this.#parts.deadlineMs, install.deadlineMs),
    }).open(sandbox);
    return null;
  }

  /** Off the path of calls that run: what is not known here is looked up again. */
  #tellRefused(refused: Refused, request: IncomingMessage): void {
    const target = parseTarget(request.url ?? "");
    const { authorization, apiKey } = requestHead(request.rawHeaders);
    this.#parts.onRefused({
      ...refused,
      tenant: this.#newestRoutes()?.keys.find(authorization ?? apiKey)?.tenant ?? null,
      extension: target === null || target === "malformed" ? null : target.extension,
    });
  }

  /** Calls that have no answer yet. */
  get open(): number {
    return this.#slots.open;
  }

  /** Null where a key that nobody was given, and a path that climbs, open nothing; else which of them does. */
  knownAnswer(): string | null {
    const routes = this.#newestRoutes();
    if (routes === null) return "no snapshot that may be served";
    if (routes.keys.find(`Bearer ${UNKNOWN_API_KEY}`) !== null) return "an unknown key is taken";
    return parseTarget("/api/ext/a.b/%2e%2e/c") === "malformed" ? null : "a path climbs";
  }

  #health(): string {
    if (!this.#parts.staying()) return "leaving";
    return this.#parts.fresh() === null ? "no snapshot" : "ok";
  }

  #newestRoutes(): Routes | null {
    const served = this.#parts.fresh();
    if (served === null) return null;
    if (served !== this.#routes?.of) {
      const table = routingTable(served, this.#slots);
      this.#routes = { of: served, table, keys: new KnownKeys(table) };
    }
    return this.#routes;
  }
}

/** What is made of one snapshot. */
interface Routes {
  readonly of: Served;
  readonly table: RoutingTable;
  readonly keys: KnownKeys;
}

/** A halt may be over in a moment; what is revoked never runs again. */
function fenceCode(entry: FenceEntry): ErrorCode {
  return entry.reversible ? "call.halted" : "artifact.refused";
}

function declaredTooLarge({ contentLength: length }: RequestHead): boolean {
  return length !== null && Number(length) > limits.bodyBytes.value;
}

/** One answer per code; whether something is hidden or absent cannot be told apart. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  id: string,
  code: ErrorCode,
): Refused {
  const { http, meaning } = errors[code];
  const body = JSON.stringify({ code, requestId: id, reason: meaning });
  const retry = http === 429 || http === 503 ? { "retry-after": "1" } : {};
  // What is left of an unread body would be taken for the next request.
  const close = request.complete ? {} : { connection: "close" };
  response.writeHead(http, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-request-id": id,
    "x-content-type-options": "nosniff",
    ...retry,
    ...close,
  });
  if (request.complete || request.method === "HEAD") response.end(body);
  else endAfterBody(request, response, body);
  return { requestId: id, code };
}

/** A client that is still sending would lose the answer with a connection closed under it: it gets a moment to finish. */
function endAfterBody(request: IncomingMessage, response: ServerResponse, body: string): void {
  response.write(body);
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  request.once("end", end).once("close", end).resume();
}

function sendHealth(response: ServerResponse, status: string): null {
  response.writeHead(status === "ok" ? 200 : 503, {
    "content-type": "application/json",
    "cache-control": "no-store",
  });
  response.end(JSON.stringify({ status }));
  return null;
}

/** What Node's parser refuses gets the same answers as what we refuse. */
function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  const code = error.code === "HPE_HEADER_OVERFLOW" ? "request.too_large" : "request.malformed";
  const { http, meaning } = errors[code];
  const id = newId("request");
  const body = JSON.stringify({ code, requestId: id, reason: meaning });
  if (socket.writable)
    socket.end(
      `HTTP/1.1 ${http} ${code}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nx-request-id: ${id}\r\nconnection: close\r\n\r\n${body}`,
    );
}
