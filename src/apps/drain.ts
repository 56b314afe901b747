import type { Server } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

/** No call lasts longer unless the operator asked for it; whoever stops a gateway or a runner waits for this. */
export const MAX_DRAIN_MS = 30_000;
const LOOK_MS = 20;

/** Stops listening, lets what is open come to its end for at most `graceMs`, then closes every connection. */
export async function drainServer(
  server: Server,
  open: () => number,
  graceMs: number,
): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  for (const end = Date.now() + graceMs; open() > 0 && Date.now() < end; await pause(LOOK_MS));
  server.closeIdleConnections();
  // An answer whose last bytes are on their way gets this moment more.
  await Promise.race([closed, pause(ANSWER_MS)]);
  server.closeAllConnections();
  await closed;
}

const ANSWER_MS = 1_000;
