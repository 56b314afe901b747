import { spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CodedError } from "#trust";
import { findNative } from "../../scripts/native.mjs";
import { StartError } from "./data-folder.ts";

export const CLONE = fileURLToPath(new URL("../..", import.meta.url));

/** Builds the sandbox and the compiler where they are not there yet. Throws StartError "native.missing". */
export function buildNative(): void {
  if (findNative() !== null) return;
  const result = spawnSync(process.execPath, [join(CLONE, "scripts/native.mjs"), "build"], {
    stdio: "inherit",
  });
  if (result.status !== 0)
    throw new StartError(
      "native.missing",
      "cannot start without the sandbox and the compiler; the message above names what is missing",
    );
}

/** Throws StartError "port.taken". */
export async function requireFree(port: number, address: string): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((done, fail) => server.once("error", fail).listen(port, address, done));
  } catch (cause) {
    throw new StartError(
      "port.taken",
      `cannot listen on ${address}:${port} (${(cause as NodeJS.ErrnoException).code ?? ""}): stop what listens there, or name another with CAISSON_PORT`,
      { cause },
    );
  } finally {
    await new Promise((done) => server.close(done));
  }
}

/** Runs a main: what it throws is one line for people, and an exit status. */
export async function runMain(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    process.stderr.write(
      `caisson: ${error instanceof CodedError ? `${error.message} [${error.code}]` : String(error instanceof Error ? error.stack : error)}\n`,
    );
    process.exitCode = 1;
  }
}
