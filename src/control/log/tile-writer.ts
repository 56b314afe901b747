import { dirname } from "node:path/posix";

import type { LogDisk } from "./log-disk.ts";

/** Writes files of a log so that a checkpoint never names what a power cut could take. */
export class TileWriter {
  readonly #disk: LogDisk;
  /** Folders whose names are durable. */
  readonly #folders = new Set<string>([""]);

  constructor(disk: LogDisk) {
    this.#disk = disk;
  }

  /** Contents and names are durable when it returns. No checkpoint names these files yet, so that they need no rename. */
  async write(files: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const toSync = new Set<string>();
    for (const path of files.keys()) await this.#makeFolders(parent(path), toSync);
    await Promise.all([...files].map(([path, bytes]) => this.#disk.writeFile(path, bytes)));
    for (const path of files.keys()) toSync.add(parent(path));
    await Promise.all([...toSync].map((folder) => this.#disk.syncFolder(folder)));
    for (const path of files.keys())
      for (let folder = parent(path); folder !== ""; folder = parent(folder))
        this.#folders.add(folder);
  }

  async replaceCheckpoint(note: Uint8Array): Promise<void> {
    await this.#disk.writeFile("checkpoint.tmp", note);
    await this.#disk.rename("checkpoint.tmp", "checkpoint");
    await this.#disk.syncFolder("");
  }

  /** Removes folders of partial tiles once the checkpoint covers the full ones; readers fall back to those. */
  async clear(folders: readonly string[]): Promise<void> {
    for (const folder of folders) {
      this.#folders.delete(folder);
      await this.#disk.removeFolder(folder);
    }
  }

  async #makeFolders(folder: string, toSync: Set<string>): Promise<void> {
    if (this.#folders.has(folder)) return;
    await this.#makeFolders(parent(folder), toSync);
    await this.#disk.makeFolder(folder);
    toSync.add(parent(folder));
  }
}

function parent(path: string): string {
  const folder = dirname(path);
  return folder === "." ? "" : folder;
}
