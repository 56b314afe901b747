import { timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import {
  BROKER_DEADLINE_HEADER,
  failureBytes,
  fetchReplyBytes,
  kvReplyBytes,
  MAX_BROKER_BYTES,
  outsideCapabilities,
  replyOutcome,
  parseBrokerCall,
  parseDeadline,
} from "#contract";
import type { BrokerCall, Fence, Grant, GrantReader, OutsideCapability } from "#contract";
import { readBounded } from "#platform";
import type { Clock, Log, Metrics } from "#platform";
import { performFetch } from "./fetch-capability.ts";
import type { FetchParts } from "./fetch-capability.ts";

export interface BrokerParts extends FetchParts {
  /** 64 hex digits that a runner of this machine must show; made for this process alone. */
  readonly secret: string;
  readonly grants: GrantReader;
  /** What is stopped; null: not known, nothing goes out. */
  readonly fence: () => Fence | null;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Brings a call of `storage.kv` to control; rejects where control does not answer it. */
  readonly control: (
    call: BrokerCall,
    deadlineMicros: number,
    signal: AbortSignal,
  ) => Promise<Uint8Array>;
  readonly log: Log;
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
  const capability = capabilityOf(request);
  if (capability === null) return end(response, 404);
  const deadlineMicros = parseDeadline(request.headers[BROKER_DEADLINE_HEADER]);
  const body = await readBounded(request, MAX_BROKER_BYTES);
  const call = body === null ? null : parseBrokerCall(body);
  if (deadlineMicros === null || call === null) return end(response, 400);
  // Whoever asked may stop waiting: then nothing goes on either.
  const gone = new AbortController();
  response.on("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  const late = AbortSignal.timeout(Math.ceil(deadlineMicros / 1_000));
  const grant = liveGrant(parts, call.grant, capability);
  const signal = AbortSignal.any([gone.signal, late]);
  const reply =
    typeof grant === "string"
      ? failureBytes("denied", grant)
      : capability === "http.fetch"
        ? fetchReplyBytes(await performFetch(parts, grant, call.argument, signal))
        : await askControl(parts, call, deadlineMicros, signal);
  const outcome = gone.signal.aborted ? "gone" : replyOutcome(reply);
  parts.metrics.count("caisson_broker_requests_total", { capability, outcome });
  if (!gone.signal.aborted) response.end(reply);
}

function capabilityOf({ method, url }: IncomingMessage): OutsideCapability | null {
  if (method !== "POST") return null;
  return outsideCapabilities.find((name) => url === `/v1/capability/${name}`) ?? null;
}

/**
 * Of what is left of a call: so long control may take, and so long the broker waits. Control gives up first, so that what a
 * guest is told did not happen mostly did not, and the guest has time for an answer of its own.
 */
const [CONTROL_SHARE, PATIENCE] = [0.8, 0.9];

/** Control judges the grant again and answers; where it does not, the store is away. */
async function askControl(
  { control, log }: BrokerParts,
  call: BrokerCall,
  deadlineMicros: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  try {
    const patience = AbortSignal.timeout(Math.ceil((deadlineMicros * PATIENCE) / 1_000));
    const share = Math.ceil(deadlineMicros * CONTROL_SHARE);
    return await control(call, share, AbortSignal.any([signal, patience]));
  } catch (error) {
    if (!signal.aborted) log.warn("kv.unanswered", { reason: String(error) });
    return kvReplyBytes({ kind: "failure", failure: "unavailable", message: "" });
  }
}

/** Text: why the grant opens nothing here. */
function liveGrant(
  parts: BrokerParts,
  document: Uint8Array,
  capability: OutsideCapability,
): Grant | string {
  const fence = parts.fence();
  if (fence === null) return "the broker does not know what is stopped";
  try {
    const { body } = parts.grants.open(document, parts.clock.now());
    if (fence.hit(body) !== null) return "it was stopped";
    return body.capabilities.includes(capability) ? body : `the grant has no ${capability}`;
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
