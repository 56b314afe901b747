import type { ServerResponse } from "node:http";

/** Between two heartbeats of a stream: an edge that hears none for seconds comes again. */
export const HEARTBEAT_MS = 250;
const MAX_UNSENT_BYTES = 64 * 1_048_576;

/** One JSON object per line. An edge that reads nothing is cut off: it comes back and gets what is newest. */
export function sendLine(response: ServerResponse, line: object): void {
  if (response.writableLength > MAX_UNSENT_BYTES) response.destroy();
  else response.write(`${JSON.stringify(line)}\n`);
}

/** Begins a long stream of such lines. */
export function beginLines(response: ServerResponse): void {
  response.writeHead(200, {
    "content-type": "application/x-ndjson",
    "cache-control": "no-store",
  });
}
