import { request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIPv6 } from "node:net";
import { frameBounds, limits } from "#contract";
import type { FetchReply, FetchRequest, HeaderList } from "#contract";
import { readBounded } from "#platform";

/** What a guest may send along, and what it gets to see. The connection's own headers are the broker's. */
const REQUEST_HEADERS = new Set([
  "accept",
  "accept-language",
  "authorization",
  "content-type",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "idempotency-key",
  "user-agent",
]);
const HIDDEN_ANSWERS = new Set([
  "connection",
  "keep-alive",
  "set-cookie",
  "set-cookie2",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const ANSWER_HEADER_BYTES = 16 * 1_024;

export interface GuardedRequest {
  readonly url: URL;
  /** Already checked: the connection goes there, whatever the name says by then. */
  readonly address: string;
  readonly request: FetchRequest;
  readonly signal: AbortSignal;
  /** Certificates of the authorities that are trusted, as PEM. */
  readonly authorities: readonly string[];
}

/**
 * One request to a checked address: name kept in Host and SNI, no redirect followed, no proxy, no connection kept, bodies of
 * at most limits.capabilityBytes.
 */
export async function guardedRequest(guarded: GuardedRequest): Promise<FetchReply> {
  const headers = sentHeaders(guarded.request.headers);
  if (headers === null) return { failure: "denied", message: "a header cannot be sent" };
  try {
    return await answerOf(await send(guarded, headers), guarded.signal);
  } catch (error) {
    if (guarded.signal.aborted) return { failure: "timed-out", message: "" };
    return { failure: "failed", message: codeOf(error) };
  }
}

/** The error's code alone: its text may hold addresses that the guest has no business to know. */
function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^[A-Z0-9_]{1,60}$/.test(code) ? code : "no answer";
}

/** headers: attacker-controlled. Names outside the list are dropped; null where one could not stand in a request. */
function sentHeaders(headers: HeaderList): [string, string][] | null {
  const sent: [string, string][] = [];
  for (const [given, value] of headers) {
    const name = given.toLowerCase();
    if (!TOKEN.test(name) || !VALUE.test(value)) return null;
    if (REQUEST_HEADERS.has(name) || mayPass(name)) sent.push([name, value]);
  }
  return sent;
}

/** Headers of one's own, but none by which proxies tell who is asking. */
function mayPass(name: string): boolean {
  return name.startsWith("x-") && !name.startsWith("x-forwarded") && name !== "x-real-ip";
}

function send(
  { url, address, request, signal, authorities }: GuardedRequest,
  headers: readonly [string, string][],
): Promise<IncomingMessage> {
  const options: RequestOptions = {
    host: address,
    family: isIPv6(address) ? 6 : 4,
    port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
    method: request.method,
    // Origin form always: the target names no host of its own.
    path: `${url.pathname}${url.search}`,
    headers: [
      "host",
      url.host,
      "content-length",
      String(request.body.length),
      "accept-encoding",
      "identity",
      ...headers.flat(),
    ],
    agent: false,
    maxHeaderSize: ANSWER_HEADER_BYTES,
    signal,
  };
  return new Promise((resolve, reject) => {
    const sent: ClientRequest =
      url.protocol === "https:"
        ? httpsRequest({ ...options, servername: url.hostname, ca: [...authorities] }, resolve) // stops: whoever stands at that address without a certificate of that name
        : httpRequest(options, resolve);
    sent.on("error", reject);
    sent.end(request.body);
  });
}

async function answerOf(answer: IncomingMessage, signal: AbortSignal): Promise<FetchReply> {
  answer.on("error", () => {}); // reading throws it
  const body = await readBounded(answer, limits.capabilityBytes.value);
  if (signal.aborted) return { failure: "timed-out", message: "" };
  const headers = shownHeaders(answer.rawHeaders);
  if (body === null || headers === null) return { failure: "too-large", message: "" };
  return {
    failure: null,
    status: answer.statusCode ?? 0,
    headers,
    body,
  };
}

/** raw: of whoever answered, names and values in turn. Null over the frame's bound. */
function shownHeaders(raw: readonly string[]): HeaderList | null {
  const shown: [string, string][] = [];
  let left: number = frameBounds.headerBytes;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name, value] = [(raw[i] ?? "").toLowerCase(), raw[i + 1] ?? ""];
    if (HIDDEN_ANSWERS.has(name)) continue;
    left -= Buffer.byteLength(name) + Buffer.byteLength(value);
    shown.push([name, value]);
  }
  return left < 0 || shown.length > frameBounds.headers ? null : shown;
}
