import {
  decodeEntries,
  decodeHashes,
  entriesPath,
  foldNodes,
  hashOver,
  TILE_WIDTH,
  tilePath,
} from "#trust";
import type { Hash, ProofPart, TreeNode } from "#trust";
import type { Frontier } from "./frontier.ts";
import type { LogDisk } from "./log-disk.ts";
import { LogError } from "./log-error.ts";

/** Full tiles kept in memory: 1,024 of 8 KiB. */
const CACHED_TILES = 1_024;
const WIDTH = BigInt(TILE_WIDTH);

/** Reads hashes and entries of a log: the right edge from memory, full tiles from the disk. */
export class TileReader {
  readonly #disk: LogDisk;
  readonly #tiles = new Map<string, readonly Hash[]>();

  constructor(disk: LogDisk) {
    this.#disk = disk;
  }

  remember(path: string, hashes: readonly Hash[]): void {
    this.#tiles.delete(path);
    this.#tiles.set(path, hashes);
    const [oldest] = this.#tiles.keys();
    if (this.#tiles.size > CACHED_TILES && oldest !== undefined) this.#tiles.delete(oldest);
  }

  /** The hashes of a proof. memo: node hashes found so far; they never change, so that one memo serves a whole batch. */
  async proof(
    frontier: Frontier,
    parts: readonly ProofPart[],
    memo: Map<string, Hash>,
  ): Promise<readonly Hash[]> {
    const hashes: Hash[] = [];
    for (const part of parts) {
      const nodes: Hash[] = [];
      for (const node of part) nodes.push(await this.#node(frontier, node, memo));
      hashes.push(foldNodes(nodes));
    }
    return hashes;
  }

  async #node(frontier: Frontier, node: TreeNode, memo: Map<string, Hash>): Promise<Hash> {
    const key = `${node.level} ${node.index}`;
    const known = memo.get(key);
    if (known !== undefined) return known;
    const [level, above] = [Math.floor(node.level / 8), BigInt(node.level % 8)];
    const first = node.index << above;
    const tile = await this.hashes(frontier, level, first / WIDTH);
    const at = Number(first % WIDTH);
    const hash = hashOver(tile.slice(at, at + 2 ** Number(above)));
    memo.set(key, hash);
    return hash;
  }

  /** All hashes of one tile of the tree that the frontier closes. */
  async hashes(frontier: Frontier, level: number, index: bigint): Promise<readonly Hash[]> {
    if (index === frontier.size >> BigInt(8 * (level + 1))) return frontier.rows[level] ?? [];
    const path = tilePath(level, index, TILE_WIDTH);
    const cached = this.#tiles.get(path);
    const hashes = cached ?? decodeHashes(await this.#read(path), TILE_WIDTH);
    this.remember(path, hashes);
    return hashes;
  }

  /** All entries of one bundle of the tree that the frontier closes. */
  async entries(frontier: Frontier, index: bigint): Promise<readonly Uint8Array[]> {
    if (index === frontier.size / WIDTH) return frontier.entries;
    return decodeEntries(await this.#read(entriesPath(index, TILE_WIDTH)), TILE_WIDTH);
  }

  async #read(path: string): Promise<Uint8Array> {
    const bytes = await this.#disk.read(path);
    if (bytes === undefined)
      throw new LogError("log.corrupt", `cannot read the log: ${path} is missing`);
    return bytes;
  }
}
