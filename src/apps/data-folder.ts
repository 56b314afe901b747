import { mkdir, readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import { CodedError } from "#trust";
import { writeFileDurably } from "#platform";

export const DATA_VERSION = "1";
const NEEDED_BYTES = 200 * 1_048_576;

export class StartError extends CodedError<
  | "data.version"
  | "data.unwritable"
  | "data.in-use"
  | "disk.full"
  | "port.taken"
  | "native.missing"
  | "child.failed"
  | "edges.none"
> {
  override readonly name = "StartError";
}

/** Makes or checks the data folder. Throws StartError with the way out in its message. */
export async function openDataFolder(data: string): Promise<void> {
  try {
    await mkdir(data, { recursive: true, mode: 0o700 });
    await checkVersion(data);
  } catch (cause) {
    if (cause instanceof StartError) throw cause;
    const { code } = cause as NodeJS.ErrnoException; // whatever the file system threw
    if (code === "ENOSPC" || code === "EDQUOT") throw diskFull(data);
    throw new StartError(
      "data.unwritable",
      `cannot write the data folder ${data} (${code ?? String(cause)}): name another with CAISSON_DATA`,
      { cause },
    );
  }
  const { bavail, bsize } = await statfs(data);
  if (bavail * bsize < NEEDED_BYTES) throw diskFull(data);
}

async function checkVersion(data: string): Promise<void> {
  const path = join(data, "version");
  const found = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (found === null) await writeFileDurably(path, `${DATA_VERSION}\n`);
  else if (found.trim() !== DATA_VERSION)
    throw new StartError(
      "data.version",
      `cannot use the data folder ${data}: it is of version ${JSON.stringify(found.trim().slice(0, 20))}, this release reads ${DATA_VERSION}; start the release that wrote it, or name another folder with CAISSON_DATA`,
    );
}

function diskFull(data: string): StartError {
  return new StartError(
    "disk.full",
    `cannot start: less than ${NEEDED_BYTES / 1_048_576} MiB are free where ${data} lies; free some space or name another folder with CAISSON_DATA`,
  );
}
