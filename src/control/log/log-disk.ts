import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/**
 * The file operations of a log, each either done or thrown. Paths are relative to the log's folder, "" is the folder
 * itself. A name is durable once its folder was synced; a content is durable when writeFile returns.
 */
export interface LogDisk {
  /** undefined when there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  hasFolder(path: string): Promise<boolean>;
  /** Makes one folder; its parent exists. Does nothing when it is there. */
  makeFolder(path: string): Promise<void>;
  /** Creates or replaces the file and syncs its content, not its name. */
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  syncFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a folder of tiles that no checkpoint needs; absent is fine. */
  removeFolder(path: string): Promise<void>;
}

/** The log's folder on a POSIX file system. Files are readable by all: a log is public. */
export function folderDisk(dir: string): LogDisk {
  const at = (path: string) => join(dir, path);
  return {
    async read(path) {
      try {
        return new Uint8Array(await readFile(at(path)));
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },
    hasFolder: async (path) => (await stat(at(path)).catch(() => null))?.isDirectory() === true,
    async makeFolder(path) {
      try {
        await mkdir(at(path));
      } catch (error) {
        if (!hasCode(error, "EEXIST")) throw error;
      }
    },
    async writeFile(path, bytes) {
      await using file = await open(at(path), "w", 0o644);
      await file.writeFile(bytes);
      await file.datasync();
    },
    async syncFolder(path) {
      await using folder = await open(at(path), "r");
      await folder.sync();
    },
    rename: (from, to) => rename(at(from), at(to)),
    removeFolder: (path) => rm(at(path), { recursive: true, force: true }),
  };
}

function isAbsent(error: unknown): boolean {
  return hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR");
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
