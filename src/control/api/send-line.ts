import type { ServerResponse } from "node:http";

const MAX_UNSENT_BYTES = 64 * 1_048_576;

/** One JSON object per line. An edge that reads nothing is cut off: it comes back and gets what is newest. */
export function sendLine(response: ServerResponse, line: object): void {
  if (response.writableLength > MAX_UNSENT_BYTES) response.destroy();
  else response.write(`${JSON.stringify(line)}\n`);
}
