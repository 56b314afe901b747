import { asHash, HASH_BYTES } from "./digest.ts";
import type { Hash } from "./digest.ts";
import { concatBytes } from "./encodings.ts";
import { EMPTY_ROOT, nodeHash } from "./merkle.ts";
import { TrustError } from "./trust-error.ts";

/** C2SP tlog-tiles: hashes or entries of one tile. */
export const TILE_WIDTH = 256;
export const TILE_LEVELS = 8;
export const MAX_ENTRY_BYTES = 65_535;

/** Path of a tile of hashes, under the log's prefix. width: 1 to 256; a tile of less than 256 is partial. */
export function tilePath(level: number, index: bigint, width: number): string {
  return `tile/${level}/${indexPath(index)}${partial(width)}`;
}

/** Path of a bundle of entries. */
export function entriesPath(index: bigint, width: number): string {
  return `tile/entries/${indexPath(index)}${partial(width)}`;
}

/** 1234067 → x001/x234/067. */
function indexPath(index: bigint): string {
  const digits = index.toString().padStart(Math.ceil(index.toString().length / 3) * 3, "0");
  const groups = digits.match(/\d{3}/g) ?? [];
  return groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join("/");
}

function partial(width: number): string {
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH)
    throw new TrustError(
      "tile.malformed",
      `cannot name a tile of ${width}: wanted 1 to ${TILE_WIDTH}`,
    );
  return width === TILE_WIDTH ? "" : `.p/${width}`;
}

/** Each entry as a big-endian uint16 length and its bytes. Throws TrustError "tile.malformed" for an entry above 65,535 bytes. */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  return concatBytes(
    ...entries.flatMap((entry) => {
      if (entry.length > MAX_ENTRY_BYTES)
        throw new TrustError(
          "tile.malformed",
          `cannot log an entry of ${entry.length} bytes: wanted at most ${MAX_ENTRY_BYTES}`,
        );
      return [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry];
    }),
  );
}

/** Reads the first `count` entries of a bundle; with `exact` nothing may follow. bytes: attacker-controlled. Throws TrustError "tile.malformed". */
export function decodeEntries(
  bytes: Uint8Array,
  count: number,
  exact = true,
): readonly Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (entries.length < count) {
    const [high, low] = bytes.subarray(at, at + 2);
    if (high === undefined || low === undefined)
      malformed(`it ends in entry ${entries.length} of ${count}`);
    const end = at + 2 + high * 256 + low;
    if (end > bytes.length) malformed(`it ends in entry ${entries.length} of ${count}`);
    entries.push(bytes.slice(at + 2, end));
    at = end;
  }
  if (exact && at !== bytes.length) malformed(`bytes follow its ${count} entries`);
  return entries;
}

/** Reads the first `count` hashes of a tile; with `exact` nothing may follow. Throws TrustError "tile.malformed". */
export function decodeHashes(bytes: Uint8Array, count: number, exact = true): readonly Hash[] {
  if (bytes.length < count * HASH_BYTES || (exact && bytes.length !== count * HASH_BYTES))
    malformed(`it has ${bytes.length} bytes, wanted ${count} hashes`);
  return Array.from({ length: count }, (_, at) =>
    asHash(bytes.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES)),
  );
}

/** The hash over neighbouring hashes of one level, as RFC 6962 splits them. */
export function hashOver(hashes: readonly Hash[]): Hash {
  const [only] = hashes;
  if (only === undefined) return EMPTY_ROOT;
  if (hashes.length === 1) return only;
  let half = 1;
  while (half * 2 < hashes.length) half *= 2;
  return nodeHash(hashOver(hashes.slice(0, half)), hashOver(hashes.slice(half)));
}

function malformed(why: string): never {
  throw new TrustError("tile.malformed", `cannot read a tile: ${why}`);
}
