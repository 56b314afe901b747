import type { RequestListener, Server, ServerOptions } from "node:http";
import Fastify from "fastify";
import type { FastifyInstance } from "fastify";
import { KvCalls } from "#kv";
import { SELF_CHECK_EVERY_MS } from "#contract";
import { newId } from "#platform";
import { problemOf } from "./api-error.ts";
import type { ControlParts, RouteParts } from "./control-parts.ts";
import { controlChecks } from "./control-checks.ts";
import { EdgeLines } from "./edge-lines.ts";
import { EdgeStreams } from "./edge-streams.ts";
import { FenceLines } from "./fence-lines.ts";
import { serveEdges } from "./edge-routes.ts";
import { serveLogFiles } from "./log-routes.ts";
import { serveManagement } from "./management-routes.ts";
import { servePosture } from "./posture-routes.ts";
import { serveRegistry } from "./registry-routes.ts";
import { TrialLines } from "./trial-lines.ts";
import { tellRequests } from "./request-log.ts";

export type { ControlParts } from "./control-parts.ts";

export interface ControlApi extends AsyncDisposable {
  /** Where it listens; 0 was any port. */
  readonly port: number;
  readonly server: Server;
  /** Answers a request that came over another server of this process. */
  readonly route: RequestListener;
}

export interface Listening {
  readonly host: string;
  readonly port: number;
  /** Makes the server: plain, or with TLS. */
  readonly serve: (options: ServerOptions, listener: RequestListener) => Server;
}

const HEADERS_BYTES = 16 * 1_024;
const CLOSE_GRACE_MS = 10_000;
const CLOSE_LOOK_MS = 50;

/** Control's one HTTP server: management API, registry, line to the edges, log files. */
export async function startControlApi(
  parts: ControlParts & { readonly logFolder: string },
  listen: Listening,
): Promise<ControlApi> {
  const lines = new EdgeLines(parts.registry, parts.log);
  const fenceLines = new FenceLines(parts.registry, parts.log);
  const trialLines = new TrialLines(parts.registry.trials);
  const { store, clock, fences } = parts.registry;
  const kv = new KvCalls({
    store,
    clock,
    grants: parts.registry.grants,
    fence: () => fences.current,
  });
  const streams = new EdgeStreams();
  const routes = { ...parts, lines, fenceLines, trialLines, streams, kv };
  const app = Fastify({
    genReqId: () => newId("request"),
    forceCloseConnections: "idle",
    serverFactory: (handler) => listen.serve({ maxHeaderSize: HEADERS_BYTES }, handler),
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
  });
  app.addHook("onRequest", async (request, reply) => void reply.header("x-request-id", request.id));
  tellRequests(app, parts);
  app.setErrorHandler(async (error, request, reply) => {
    const { status, body } = problemOf(error, request.id);
    if (status >= 500)
      parts.log.error("request.failed", {
        requestId: request.id,
        url: request.url,
        reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    return reply.status(status).header("content-type", "application/problem+json").send(body);
  });
  app.setNotFoundHandler(async (request, reply) =>
    reply.status(404).header("content-type", "application/problem+json").send(notFound(request.id)),
  );
  parts.metrics.show("caisson_edges_connected", () => lines.count);
  servePosture(app, parts.posture);
  serveManagement(app, routes);
  serveEdges(app, routes);
  serveRegistry(app, routes);
  serveLogFiles(app, parts.logFolder);
  const port = await listenAt(app, listen);
  const looking = lookRegularly(routes);
  return {
    port,
    server: app.server,
    route: (request, response) => app.routing(request, response),
    async [Symbol.asyncDispose]() {
      clearInterval(looking);
      trialLines[Symbol.dispose]();
      await fenceLines[Symbol.asyncDispose]();
      await lines[Symbol.asyncDispose]();
      await closeInOrder(app);
    },
  };
}

/** Control's own report, as edges make theirs. */
function lookRegularly({
  registry,
  posture,
  ownChecks,
  fenceLines,
  log,
}: RouteParts): NodeJS.Timeout {
  const look = async () => {
    const checks = [...(await ownChecks()), ...(await controlChecks(registry, fenceLines))];
    posture.checks.report("control", "control", checks);
  };
  const tell = () => {
    look().catch((error: unknown) => log.error("self-checks.failed", { reason: String(error) }));
  };
  tell();
  return setInterval(tell, SELF_CHECK_EVERY_MS);
}

/** What is being answered is answered; what takes longer than the grace is cut. */
async function closeInOrder(app: FastifyInstance): Promise<void> {
  const end = Date.now() + CLOSE_GRACE_MS;
  const look = setInterval(() => {
    if (Date.now() > end) app.server.closeAllConnections();
    else app.server.closeIdleConnections();
  }, CLOSE_LOOK_MS);
  await app.close().finally(() => clearInterval(look));
}

function notFound(requestId: string): object {
  return {
    type: "about:blank",
    title: "no such route",
    status: 404,
    code: "route.unknown",
    requestId,
  };
}

async function listenAt(app: FastifyInstance, listen: Listening): Promise<number> {
  await app.listen({ host: listen.host, port: listen.port });
  const address = app.server.address();
  return typeof address === "object" && address !== null ? address.port : listen.port;
}
