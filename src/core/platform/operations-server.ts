import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Metrics } from "./metrics.ts";
import type { Readiness } from "./readiness.ts";

export interface OperationsParts {
  /** 0: any that is free. */
  readonly port: number;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
}

export interface OperationsServer extends AsyncDisposable {
  readonly port: number;
}

const MAX_CONNECTIONS = 32;
const REQUEST_MS = 5_000;
/** A page of another origin that resolves its name to this machine sends its own name. */
const OWN_HOST = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/;

/**
 * What an operator's tools ask one process: `/metrics`, `/healthz` (it answers), `/readyz` (it can do its work, and what
 * keeps it from that). On loopback alone and without a body: it says nothing of tenants but the figures that their extensions keep,
 * and changes nothing.
 */
export async function startOperations(parts: OperationsParts): Promise<OperationsServer> {
  parts.metrics.showProcess();
  parts.metrics.show("caisson_ready", async () => ((await parts.readiness.look()).ready ? 1 : 0));
  const server = createServer(
    { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: REQUEST_MS },
    (request, response) => {
      answer(parts, request, response).catch(() => response.destroy());
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(parts.port, "127.0.0.1", resolve),
  );
  const { port } = server.address() as AddressInfo; // listening on TCP
  return {
    port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  { metrics, readiness }: OperationsParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!OWN_HOST.test(request.headers.host ?? "")) return end(response, 421, "not this host");
  if (request.method !== "GET") return end(response, 405, "GET is all there is");
  if (request.url === "/metrics")
    return end(response, 200, await metrics.text(), metrics.contentType);
  if (request.url === "/healthz")
    return end(response, 200, JSON.stringify({ status: "ok" }), JSON_TYPE);
  if (request.url !== "/readyz")
    return end(response, 404, "/metrics, /healthz and /readyz are here");
  const { ready, checks } = await readiness.look();
  const status = ready ? "ready" : "not ready";
  end(response, ready ? 200 : 503, JSON.stringify({ status, checks }), JSON_TYPE);
}

const JSON_TYPE = "application/json";

function end(response: ServerResponse, status: number, body: string, type = "text/plain"): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}
