import * as http from "node:http";
import * as https from "node:https";

export interface ControlRequest {
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signal: AbortSignal;
}

/** Resolves with the answer once its head is there; whoever does not read its body destroys it. */
export type ControlClient = (url: URL, request: ControlRequest) => Promise<http.IncomingMessage>;

/** Streams, and what is posted and asked beside them. */
const SOCKETS = 32;
/** A connection that is idle for longer is closed. */
const IDLE_MS = 30_000;

/** How an edge speaks to its control. ca: authorities of its own, trusted alone; null: this machine's. No redirect is followed. */
export function controlClient(ca: string | null): ControlClient {
  const kept = { keepAlive: true, maxSockets: SOCKETS, timeout: IDLE_MS };
  const plain = new http.Agent(kept);
  const secure = new https.Agent(ca === null ? kept : { ...kept, ca });
  return (url, request) =>
    url.protocol === "https:"
      ? answered(https.request, secure, url, request)
      : answered(http.request, plain, url, request);
}

function answered<A extends http.Agent>(
  open: (url: URL, options: http.RequestOptions & { agent: A }) => http.ClientRequest,
  agent: A,
  url: URL,
  { method = "GET", headers = {}, body, signal }: ControlRequest,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = open(url, { agent, method, headers, signal });
    sent.on("error", reject);
    sent.once("response", (answer) => {
      answer.on("error", () => {}); // whoever reads it hears of it
      resolve(answer);
    });
    sent.end(body);
  });
}
