import type { ServerResponse } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { ObjectReader, parseStrictJson } from "#trust";
import {
  BROKER_DEADLINE_HEADER,
  MAX_BATCH_BYTES,
  parseBrokerCall,
  parseDeadline,
  parseExecutionBatch,
  parseHandle,
  parseLogBatch,
  parseProofKey,
  parseSelfCheckReport,
  parseTrialAnswer,
} from "#contract";
import type { Principal } from "#policy";
import { ingestExecutions, ingestLogs } from "#executions";
import { recordBuild } from "#registry";
import { listEdges, runnerAt } from "#tenants";
import { ApiRefusal } from "./api-error.ts";
import { authenticate, requireMay } from "./authenticate.ts";
import type { RouteParts } from "./control-parts.ts";
import { mintCredential } from "./execute-tokens.ts";

/** The line between control and its edges: only an enrolled edge's token opens it. */
export function serveEdges(
  app: FastifyInstance,
  { registry, lines, fenceLines, trialLines, streams, kv, metrics, posture }: RouteParts,
): void {
  const edges = (scope: FastifyInstance) => {
    const edgeOf = new WeakMap<FastifyRequest, Principal>();
    scope.addHook("onRequest", async (request) => {
      const edge = await authenticate(registry.store, request);
      requireMay(edge, "edge:link", { tenant: null });
      edgeOf.set(request, edge);
    });
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "*",
      { parseAs: "buffer", bodyLimit: MAX_BATCH_BYTES },
      (_request, body, done) => done(null, body),
    );
    const openStream = (request: FastifyRequest, reply: FastifyReply): ServerResponse => {
      reply.hijack();
      streams.keep(edgeOf.get(request)?.id ?? "", reply.raw);
      return reply.raw;
    };
    scope.get("/v1/edge/stream", async (request, reply) => {
      await lines.attach(openStream(request, reply));
    });
    scope.get("/v1/edge/fence", async (request, reply) => {
      fenceLines.attach(openStream(request, reply), edgeOf.get(request)?.id ?? "");
    });
    scope.post<{ Body: Buffer }>("/v1/edge/fence/ack", async (request) => {
      const reader = ObjectReader.of(parseStrictJson(request.body, { maxBytes: 4_096 }), "ack");
      const line = reader.string("line", { max: 64 });
      const ack = {
        epoch: reader.integer("epoch"),
        refused: reader.integer("refused"),
        unqueued: reader.integer("unqueued"),
        killed: reader.integer("killed"),
      };
      reader.end();
      return { counted: fenceLines.acknowledge(line, edgeOf.get(request)?.id ?? "", ack) };
    });
    scope.get("/v1/edge/trials", async (request, reply) => {
      const edge = edgeOf.get(request) ?? refuseEdge();
      requireMay(edge, "instance:try", { tenant: null });
      trialLines.attach(openStream(request, reply), edge.id);
    });
    scope.post<{ Body: Buffer }>("/v1/edge/trials", async (request) => {
      const edge = edgeOf.get(request) ?? refuseEdge();
      requireMay(edge, "instance:try", { tenant: null });
      return { taken: registry.trials.take(edge.id, parseTrialAnswer(request.body)) };
    });
    scope.post<{ Body: Buffer }>("/v1/edge/executions", async ({ body }) => {
      const batch = parseExecutionBatch(body);
      await ingestExecutions(registry.store, batch);
      metrics.count("caisson_executions_ingested_total", {}, batch.code.length);
      return {};
    });
    scope.post<{ Body: Buffer }>("/v1/edge/logs", async ({ body }) => {
      const batch = parseLogBatch(body);
      await ingestLogs(registry.store, batch);
      metrics.count("caisson_log_lines_ingested_total", {}, batch.length);
      return {};
    });
    scope.post<{ Body: Buffer }>("/v1/edge/self-checks", async (request) => {
      const id = edgeOf.get(request)?.id ?? "";
      const edge = (await listEdges(registry.store)).find((one) => one.id === id);
      // An edge speaks of processes of its own kind alone.
      if (edge !== undefined)
        posture.checks.report(id, edge.kind, parseSelfCheckReport(request.body, edge.kind));
      return {};
    });
    scope.post<{ Body: Buffer }>("/v1/edge/kv", async (request, reply) => {
      const edge = edgeOf.get(request) ?? refuseEdge();
      requireMay(edge, "kv:use", { tenant: null });
      const deadlineMicros = parseDeadline(request.headers[BROKER_DEADLINE_HEADER]);
      const asked = parseBrokerCall(request.body);
      if (deadlineMicros === null || asked === null)
        throw new ApiRefusal("request.malformed", "cannot read the broker's call");
      return reply
        .type("application/octet-stream")
        .send(await kv.answer(asked, deadlineMicros / 1_000));
    });
    scope.post<{ Body: Buffer }>("/v1/edge/credential", async (request) => {
      const edge = edgeOf.get(request) ?? refuseEdge();
      requireMay(edge, "execute:credential", { tenant: null });
      const reader = ObjectReader.of(parseStrictJson(request.body, { maxBytes: 4_096 }), "asked");
      const url = reader.string("runner", { max: 300 });
      const key = parseProofKey(reader.string("key", { max: 43 }));
      reader.end();
      const runner = await runnerAt(registry.store, url);
      return { token: mintCredential(registry, { gateway: edge.id, runner: runner.id, key }) };
    });
    scope.post<{ Body: Buffer }>("/v1/edge/builds", async ({ body }) => {
      const reader = ObjectReader.of(parseStrictJson(body, { maxBytes: 65_536 }), "build report");
      const handle = parseHandle(reader.string("handle", { pattern: /^[0-9a-f]{32}$/ }));
      const failure = reader.optionalString("failure", { max: 2_000 });
      reader.end();
      await recordBuild(registry, Buffer.from(handle), failure ?? null);
      await lines.changed();
      return {};
    });
  };
  app.register(async (scope) => edges(scope));
}

function refuseEdge(): never {
  throw new ApiRefusal("auth.required", "cannot answer without an edge's token");
}
