import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseSandboxPlaces, SANDBOX_PLACES_FILE } from "../../src/core/contract/index.ts";

export interface SandboxAddress {
  readonly socketPath: string;
  readonly secret: Uint8Array;
}

/** Where the runner tells gateways to send their calls now. */
export async function sandboxPlace(runtime: string): Promise<SandboxAddress> {
  const text = await readFile(join(runtime, SANDBOX_PLACES_FILE), "utf8");
  const current = parseSandboxPlaces(text)?.current;
  if (current === undefined || current === null) throw new Error("no sandbox takes calls now");
  return {
    socketPath: join(runtime, current.socket),
    secret: Uint8Array.from(Buffer.from(current.secret, "hex")),
  };
}
