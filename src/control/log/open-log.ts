import { mkdir } from "node:fs/promises";

import { checkLog } from "#trust";
import type { LogCheck, LogReport } from "#trust";
import { folderDisk } from "./log-disk.ts";
import { lockFolder } from "./log-lock.ts";
import { TileLog } from "./tile-log.ts";
import type { TileLogOptions } from "./tile-log.ts";

/**
 * Opens the log in a folder for writing, or begins it there with a signed checkpoint of size 0.
 * Throws LogError "log.locked" (another process writes it), "log.corrupt", "log.origin" (another name or key), and what the file system throws.
 */
export async function openLog(
  options: TileLogOptions & { readonly dir: string },
): Promise<TileLog> {
  await mkdir(options.dir, { recursive: true });
  const lock = await lockFolder(options.dir);
  try {
    const disk = folderDisk(options.dir);
    await disk.syncFolder("..");
    return await TileLog.on(disk, options, lock);
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** Checks a whole log that `read` gives the files of: a folder, HTTP, an archive. Throws as checkLog does. */
export async function verifyLog(
  check: LogCheck,
  read: (path: string) => Promise<Uint8Array | undefined>,
): Promise<LogReport> {
  const steps = checkLog(check);
  let step = steps.next();
  while (step.done !== true) step = steps.next(await read(step.value));
  return step.value;
}

/** Checks the whole log in a folder; needs no lock and no private key. */
export function verifyLogFolder(dir: string, check: LogCheck): Promise<LogReport> {
  const disk = folderDisk(dir);
  return verifyLog(check, (path) => disk.read(path));
}
