import { timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { PublicKey } from "#trust";
import {
  BROKER_DEADLINE_HEADER,
  fetchReplyBytes,
  MAX_BROKER_BYTES,
  openGrant,
  parseBrokerCall,
  parseDeadline,
} from "#contract";
import type { Fence, FetchReply, Grant } from "#contract";
import { readBounded } from "#platform";
import type { Clock, Metrics } from "#platform";
import { performFetch } from "./fetch-capability.ts";
import type { FetchParts } from "./fetch-capability.ts";

export interface BrokerParts extends FetchParts {
  /** 64 hex digits that a runner of this machine must show; made for this process alone. */
  readonly secret: string;
  readonly stateKey: PublicKey;
  /** What is stopped; null: not known, nothing goes out. */
  readonly fence: () => Fence | null;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/**
 * Outgoing traffic of guests, asked for by the runner of this machine over a unix socket. The broker believes no runner: it
 * opens the grant that control signed, and looks at its own fence.
 */
export function brokerServer(parts: BrokerParts): Server {
  return createServer((request, response) => {
    answer(parts, request, response).catch(() => response.destroy());
  });
}

async function answer(
  parts: BrokerParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!isRunner(parts, request.headers.authorization)) return end(response, 401);
  if (request.method !== "POST" || request.url !== "/v1/capability/http.fetch")
    return end(response, 404);
  const deadlineMicros = parseDeadline(request.headers[BROKER_DEADLINE_HEADER]);
  const body = await readBounded(request, MAX_BROKER_BYTES);
  const call = body === null ? null : parseBrokerCall(body);
  if (deadlineMicros === null || call === null) return end(response, 400);
  // Whoever asked may stop waiting: then nothing goes on either.
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const late = AbortSignal.timeout(Math.ceil(deadlineMicros / 1_000));
  const grant = liveGrant(parts, call.grant);
  const reply: FetchReply =
    typeof grant === "string"
      ? { failure: "denied", message: grant }
      : await performFetch(parts, grant, call.argument, AbortSignal.any([gone.signal, late]));
  const outcome = gone.signal.aborted ? "gone" : (reply.failure ?? "done");
  const labels = { capability: "http.fetch" };
  parts.metrics.count("caisson_broker_requests_total", { ...labels, outcome });
  if (!gone.signal.aborted) response.end(fetchReplyBytes(reply));
}

/** Text: why the grant opens nothing here. */
function liveGrant(parts: BrokerParts, document: Uint8Array): Grant | string {
  const fence = parts.fence();
  if (fence === null) return "the broker does not know what is stopped";
  try {
    const { body } = openGrant(document, parts.stateKey, parts.clock.now());
    if (fence.hit(body) !== null) return "it was stopped";
    return body.capabilities.includes("http.fetch") ? body : "the grant has no http.fetch";
  } catch {
    return "the grant does not hold";
  }
}

function isRunner({ secret }: BrokerParts, header: string | undefined): boolean {
  const given = Buffer.from(header ?? "");
  const wanted = Buffer.from(`Bearer ${secret}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status).end();
}
