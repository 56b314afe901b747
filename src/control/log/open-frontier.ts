import {
  decodeEntries,
  decodeHashes,
  entriesPath,
  equalBytes,
  leafHash,
  openCheckpoint,
  parseVerifierKey,
  TILE_WIDTH,
  tilePath,
} from "#trust";
import type { Checkpoint, Hash } from "#trust";
import { rootOf } from "./frontier.ts";
import type { Frontier } from "./frontier.ts";
import type { LogDisk } from "./log-disk.ts";
import { LogError } from "./log-error.ts";

/**
 * Reads the right edge that the checkpoint names, and checks it: signature, every hash of the last bundle, the root.
 * Files beyond the checkpoint are leavings of an append that was never answered; the next append replaces them.
 * Throws LogError "log.corrupt", "log.origin".
 */
export async function openFrontier(
  disk: LogDisk,
  note: Uint8Array,
  verifierKey: string,
): Promise<Frontier> {
  const checkpoint = readCheckpoint(note, verifierKey);
  const rows: (readonly Hash[])[] = [];
  for (let level = 0; checkpoint.size >> BigInt(8 * level) > 0n; level++)
    rows.push(await readRow(disk, checkpoint.size, level));
  const entries = await readEntries(disk, checkpoint.size);
  const leaves = rows[0] ?? [];
  if (entries.some((entry, at) => !equalBytes(leafHash(entry), leaves[at] ?? new Uint8Array())))
    corrupt("its last entries do not match their hashes");
  const frontier: Frontier = { size: checkpoint.size, entries, rows };
  if (!equalBytes(rootOf(frontier), checkpoint.root))
    corrupt("its tiles do not give the root of its checkpoint");
  return frontier;
}

function readCheckpoint(note: Uint8Array, verifierKey: string): Checkpoint {
  try {
    return openCheckpoint(note, parseVerifierKey(verifierKey));
  } catch (cause) {
    throw new LogError(
      "log.origin",
      `cannot open the log: its checkpoint is not signed by ${verifierKey.split("+")[0]} with the key at hand`,
      { cause },
    );
  }
}

async function readRow(disk: LogDisk, size: bigint, level: number): Promise<readonly Hash[]> {
  const hashes = size >> BigInt(8 * level);
  const width = Number(hashes % BigInt(TILE_WIDTH));
  if (width === 0) return [];
  return decoded(await read(disk, tilePath(level, hashes / BigInt(TILE_WIDTH), width)), (bytes) =>
    decodeHashes(bytes, width),
  );
}

async function readEntries(disk: LogDisk, size: bigint): Promise<readonly Uint8Array[]> {
  const width = Number(size % BigInt(TILE_WIDTH));
  if (width === 0) return [];
  return decoded(await read(disk, entriesPath(size / BigInt(TILE_WIDTH), width)), (bytes) =>
    decodeEntries(bytes, width),
  );
}

async function read(disk: LogDisk, path: string): Promise<Uint8Array> {
  return (await disk.read(path)) ?? corrupt(`${path} is missing`);
}

function decoded<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T {
  try {
    return decode(bytes);
  } catch (cause) {
    throw new LogError(
      "log.corrupt",
      "cannot open the log: a tile of its right edge is cut or too long",
      { cause },
    );
  }
}

function corrupt(why: string): never {
  throw new LogError("log.corrupt", `cannot open the log: ${why}`);
}
