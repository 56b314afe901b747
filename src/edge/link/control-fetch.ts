import { Agent, request } from "node:https";
import { Readable } from "node:stream";

export type Fetch = (url: URL, init: RequestInit) => Promise<Response>;

/** Streams, and what is posted and asked beside them. */
const SOCKETS = 32;
/** A connection that is idle for longer is closed. */
const IDLE_MS = 30_000;

/** How an edge speaks to its control: by `fetch`, or where it pins authorities of its own by a client that trusts those alone. */
export function controlFetch(ca: string | null): Fetch {
  if (ca === null) return (url, init) => fetch(url, init);
  const agent = new Agent({ ca, keepAlive: true, maxSockets: SOCKETS, timeout: IDLE_MS });
  return (url, init) => sendPinned(agent, url, init);
}

/** What this process needs of `fetch`: no redirect is followed, a body is text or bytes. */
function sendPinned(agent: Agent, url: URL, init: RequestInit): Promise<Response> {
  const { method = "GET", signal, body } = init;
  const headers = Object.fromEntries(new Headers(init.headers));
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method, headers, ...(signal ? { signal } : {}) });
    sent.on("error", reject);
    sent.once("response", (response) => {
      // Control answers with nothing else; Response takes nothing else.
      const status = Math.min(Math.max(response.statusCode ?? 0, 200), 599);
      const bodiless = status === 204 || status === 304;
      resolve(new Response(bodiless ? null : streamOf(response), { status }));
    });
    sent.end(body ?? undefined);
  });
}

function streamOf(response: Readable): ReadableStream<Uint8Array> {
  response.on("error", () => {}); // whoever reads the stream hears of it
  return Readable.toWeb(response) as ReadableStream<Uint8Array>; // Node's own type of the same stream
}
