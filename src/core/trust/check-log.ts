import { openCheckpoint } from "./checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { quote } from "./coded-error.ts";
import type { Hash } from "./digest.ts";
import { encodeBase64, equalBytes } from "./encodings.ts";
import { leafHash } from "./merkle.ts";
import { parseVerifierKey } from "./note.ts";
import {
  decodeEntries,
  decodeHashes,
  entriesPath,
  hashOver,
  TILE_WIDTH,
  tilePath,
} from "./tile.ts";
import { TreeHasher } from "./tree-hasher.ts";
import { TrustError } from "./trust-error.ts";

export interface LogCheck {
  /** C2SP `name+hash+key` of the log, from the trust root or the operator: never from the log's own server. */
  readonly verifierKey: string;
  /** Origin line, where it differs from the key's name. */
  readonly origin?: string;
  /** A checkpoint (signed note) seen earlier: the log must still begin with it. */
  readonly known?: Uint8Array;
}

export interface LogReport {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Hash;
  readonly tiles: number;
  /** Size of the earlier checkpoint that the log was found to begin with. */
  readonly consistentWith: bigint | null;
}

/**
 * Checks a whole C2SP tlog-tiles log and trusts no server: the checkpoint's signature, every entry re-hashed, every tile
 * compared, the root recomputed, and the beginning compared with an earlier checkpoint.
 * Yields the path of a file it wants, relative to the log's prefix, and is sent its bytes or undefined (no such file), so
 * that files, HTTP and archives read alike. All file contents are attacker-controlled.
 * Throws TrustError "note.…", "checkpoint.…", "signature.invalid", "tile.missing", "tile.malformed", "tile.mismatch", "log.fork".
 */
export function* checkLog(check: LogCheck): Generator<string, LogReport, Uint8Array | undefined> {
  const verifier = parseVerifierKey(check.verifierKey);
  const checkpoint = openCheckpoint(
    yield* want("checkpoint"),
    verifier,
    check.origin ?? verifier.name,
  );
  const known =
    check.known === undefined ? null : openCheckpoint(check.known, verifier, checkpoint.origin);
  if (known !== null && known.size > checkpoint.size)
    fork(known, `the log has shrunk to ${checkpoint.size}`);
  const tree = new TreeHasher();
  const levels = new Levels();
  let tiles = 0;
  checkBeginning(tree, known);
  for (let index = 0n; tree.size < checkpoint.size; index++) {
    const width = widthAt(checkpoint.size, index);
    for (const entry of yield* wantEntries(index, width)) {
      const leaf = leafHash(entry);
      tree.append(leaf);
      levels.push(0, leaf);
      checkBeginning(tree, known);
    }
    for (const tile of levels.takeFull()) tiles += yield* compareTile(tile);
  }
  for (const tile of levels.rest()) tiles += yield* compareTile(tile);
  if (!equalBytes(tree.root(), checkpoint.root))
    throw new TrustError(
      "tile.mismatch",
      `cannot accept the log: its ${checkpoint.size} entries have root ${encodeBase64(tree.root())}, the checkpoint says ${encodeBase64(checkpoint.root)}`,
    );
  return {
    origin: checkpoint.origin,
    size: checkpoint.size,
    root: checkpoint.root,
    tiles,
    consistentWith: known?.size ?? null,
  };
}

/** Runs the check over files that can be read at once. */
export function runLogCheck(
  check: LogCheck,
  read: (path: string) => Uint8Array | undefined,
): LogReport {
  const steps = checkLog(check);
  let step = steps.next();
  while (step.done !== true) step = steps.next(read(step.value));
  return step.value;
}

interface Tile {
  readonly level: number;
  readonly index: bigint;
  readonly hashes: readonly Hash[];
}

/** The hashes of each level that are not in a compared tile yet. */
class Levels {
  readonly #levels: { index: bigint; hashes: Hash[] }[] = [];

  push(level: number, hash: Hash): void {
    const row = (this.#levels[level] ??= { index: 0n, hashes: [] });
    row.hashes.push(hash);
  }

  /** Tiles that have become full, lowest first; each adds its hash to the level above. */
  takeFull(): readonly Tile[] {
    const full: Tile[] = [];
    for (let level = 0; level < this.#levels.length; level++) {
      const row = this.#levels[level];
      if (row === undefined || row.hashes.length < TILE_WIDTH) break;
      full.push({ level, index: row.index, hashes: row.hashes });
      this.push(level + 1, hashOver(row.hashes));
      this.#levels[level] = { index: row.index + 1n, hashes: [] };
    }
    return full;
  }

  rest(): readonly Tile[] {
    return this.#levels.flatMap((row, level) =>
      row.hashes.length === 0 ? [] : [{ level, ...row }],
    );
  }
}

function* compareTile(tile: Tile): Generator<string, number, Uint8Array | undefined> {
  const width = tile.hashes.length;
  const found = yield* wantTile(
    tilePath(tile.level, tile.index, width),
    tilePath(tile.level, tile.index, TILE_WIDTH),
  );
  const hashes = decodeHashes(found.bytes, width, found.exact);
  if (tile.hashes.some((hash, at) => !equalBytes(hash, hashes[at] ?? new Uint8Array())))
    throw new TrustError(
      "tile.mismatch",
      `cannot accept the log: ${tilePath(tile.level, tile.index, width)} is not what the entries hash to`,
    );
  return 1;
}

function* wantEntries(
  index: bigint,
  width: number,
): Generator<string, readonly Uint8Array[], Uint8Array | undefined> {
  const found = yield* wantTile(entriesPath(index, width), entriesPath(index, TILE_WIDTH));
  return decodeEntries(found.bytes, width, found.exact);
}

/** A partial tile may be gone once the full one is there (C2SP tlog-tiles, "Partial Tiles"). */
function* wantTile(
  path: string,
  full: string,
): Generator<string, { bytes: Uint8Array; exact: boolean }, Uint8Array | undefined> {
  const bytes = yield path;
  if (bytes !== undefined) return { bytes, exact: true };
  if (path === full) throw missing(path);
  return { bytes: yield* want(full), exact: false };
}

function* want(path: string): Generator<string, Uint8Array, Uint8Array | undefined> {
  const bytes = yield path;
  if (bytes === undefined) throw missing(path);
  return bytes;
}

function missing(path: string): TrustError {
  return new TrustError("tile.missing", `cannot check the log: ${quote(path)} is missing`);
}

function widthAt(size: bigint, index: bigint): number {
  const left = size - index * BigInt(TILE_WIDTH);
  return left > BigInt(TILE_WIDTH) ? TILE_WIDTH : Number(left);
}

function checkBeginning(tree: TreeHasher, known: Checkpoint | null): void {
  if (known !== null && tree.size === known.size && !equalBytes(tree.root(), known.root))
    fork(known, "the log begins with other entries now");
}

function fork(known: Checkpoint, why: string): never {
  throw new TrustError(
    "log.fork",
    `cannot accept the log: an earlier checkpoint has size ${known.size} and root ${encodeBase64(known.root)}, but ${why}`,
  );
}
