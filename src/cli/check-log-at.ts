import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkLog, encodeHex } from "#trust";

export interface LogSummary {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly checkpoint: Uint8Array;
}

const MAX_FILE_BYTES = 32 * 1_048_576;

/** place: a folder, or the address of a log's files. Throws TrustError where anything does not hold. */
export async function checkLogAt(
  place: string,
  verifierKey: string,
  known: Uint8Array | undefined,
): Promise<LogSummary> {
  const read = /^https?:\/\//.test(place) ? readOver(place) : readIn(place);
  const steps = checkLog({ verifierKey, ...(known === undefined ? {} : { known }) });
  let checkpoint: Uint8Array = new Uint8Array();
  let step = steps.next();
  while (step.done !== true) {
    const bytes = await read(step.value);
    if (step.value === "checkpoint" && bytes !== undefined) checkpoint = bytes;
    step = steps.next(bytes);
  }
  const { origin, size, root } = step.value;
  return { origin, size: Number(size), root: `sha256:${encodeHex(root)}`, checkpoint };
}

function readIn(folder: string): (path: string) => Promise<Uint8Array | undefined> {
  return (path) => readFile(join(folder, path)).catch(() => undefined);
}

function readOver(base: string): (path: string) => Promise<Uint8Array | undefined> {
  const root = base.endsWith("/") ? base : `${base}/`;
  return async (path) => {
    const response = await fetch(new URL(path, root), {
      redirect: "error",
      signal: AbortSignal.timeout(30_000),
    });
    if (!response.ok) return undefined;
    const bytes = new Uint8Array(await response.arrayBuffer());
    return bytes.length <= MAX_FILE_BYTES ? bytes : undefined;
  };
}
