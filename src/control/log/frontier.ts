import {
  concatBytes,
  EMPTY_ROOT,
  encodeEntries,
  entriesPath,
  foldNodes,
  hashOver,
  leafHash,
  TILE_WIDTH,
  tilePath,
} from "#trust";
import type { Hash } from "#trust";

/** The right edge of a tree: all that appending needs. Immutable. */
export interface Frontier {
  readonly size: bigint;
  /** Entries of the last, unfinished bundle. */
  readonly entries: readonly Uint8Array[];
  /** Per level, the hashes of the last, unfinished tile. */
  readonly rows: readonly (readonly Hash[])[];
}

export const EMPTY_FRONTIER: Frontier = { size: 0n, entries: [], rows: [] };

export interface Growth {
  readonly frontier: Frontier;
  /** Files of the new tree that the old one does not have. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Folders of partial tiles whose full tile is among the files. */
  readonly outgrown: readonly string[];
  /** Hashes of tiles that became full, by path. */
  readonly fullTiles: ReadonlyMap<string, readonly Hash[]>;
}

/** Appends entries and gives the tiles that change. */
export function grow(frontier: Frontier, added: readonly Uint8Array[]): Growth {
  const files = new Map<string, Uint8Array>();
  const fullTiles = new Map<string, readonly Hash[]>();
  const outgrown: string[] = [];
  const rows = frontier.rows.map((row) => [...row]);
  const changed = new Set<number>();
  let entries = [...frontier.entries];
  let size = frontier.size;
  const push = (level: number, hash: Hash): void => {
    const row = (rows[level] ??= []);
    row.push(hash);
    changed.add(level);
    if (row.length < TILE_WIDTH) return;
    const path = tilePath(level, tileAt(size, level), TILE_WIDTH);
    files.set(path, concatBytes(...row));
    fullTiles.set(path, row);
    outgrown.push(`${path}.p`);
    rows[level] = [];
    push(level + 1, hashOver(row));
  };
  for (const entry of added) {
    entries.push(entry);
    const bundle = entries;
    if (bundle.length === TILE_WIDTH) {
      const path = entriesPath(tileAt(size, 0), TILE_WIDTH);
      files.set(path, encodeEntries(bundle));
      outgrown.push(`${path}.p`);
      entries = [];
    }
    push(0, leafHash(entry));
    size++;
  }
  if (entries.length > 0 && added.length > 0)
    files.set(entriesPath(size / BigInt(TILE_WIDTH), entries.length), encodeEntries(entries));
  for (const level of changed) {
    const row = rows[level] ?? [];
    if (row.length > 0)
      files.set(tilePath(level, tileAt(size, level), row.length), concatBytes(...row));
  }
  return { frontier: { size, entries, rows }, files, outgrown, fullTiles };
}

/** The tile of `level` that entry `index` falls into. */
function tileAt(index: bigint, level: number): bigint {
  return index >> BigInt(8 * (level + 1));
}

/** The root that the frontier closes. */
export function rootOf(frontier: Frontier): Hash {
  const peaks = frontier.rows.toReversed().flatMap(peaksOf);
  return peaks.length === 0 ? EMPTY_ROOT : foldNodes(peaks);
}

/** Splits a row into its perfect subtrees, left to right. */
function peaksOf(row: readonly Hash[]): readonly Hash[] {
  const peaks: Hash[] = [];
  let at = 0;
  for (let width = TILE_WIDTH / 2; width >= 1; width /= 2) {
    if ((row.length & width) === 0) continue;
    peaks.push(hashOver(row.slice(at, at + width)));
    at += width;
  }
  return peaks;
}
