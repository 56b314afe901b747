import type { FastifyInstance, FastifyRequest } from "fastify";
import { ratedLog } from "#platform";
import type { ControlParts } from "./control-parts.ts";

/** Refusals that are written in a second; whoever sends more is counted. */
const REFUSALS_PER_SECOND = 50;
/** They last as long as the edge is connected: their time says nothing. */
const LONG: readonly string[] = ["/v1/edge/stream", "/v1/edge/fence"];

/** One count and one time per request; a line for each that was refused. Labels are the route's pattern, never its values. */
export function tellRequests(app: FastifyInstance, { log, metrics }: ControlParts): void {
  const refusals = ratedLog(log, { perSecond: REFUSALS_PER_SECOND, onDropped: () => {} });
  app.addHook("onResponse", async (request, reply) => {
    const route = routeOf(request);
    const { statusCode } = reply;
    metrics.count("caisson_control_requests_total", { route, status: String(statusCode) });
    if (!LONG.includes(route))
      metrics.observe("caisson_control_request_seconds", reply.elapsedTime / 1_000, { route });
    if (statusCode >= 400 && statusCode < 500)
      refusals.info("request.refused", { requestId: request.id, route, status: statusCode });
  });
}

function routeOf({ method, routeOptions }: FastifyRequest): string {
  return routeOptions.url === undefined ? "none" : `${method} ${routeOptions.url}`;
}
