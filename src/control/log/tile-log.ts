import {
  encodeHex,
  formatCheckpoint,
  leafHash,
  MAX_ENTRY_BYTES,
  noteSigner,
  planConsistency,
  planInclusion,
  signNote,
} from "#trust";
import type { Hash, NoteSigner, Signer } from "#trust";
import { EMPTY_FRONTIER, grow, rootOf } from "./frontier.ts";
import type { Frontier, Growth } from "./frontier.ts";
import type { LogDisk } from "./log-disk.ts";
import { LogError } from "./log-error.ts";
import { openFrontier } from "./open-frontier.ts";
import { TileReader } from "./tile-reader.ts";
import { TileWriter } from "./tile-writer.ts";

/** Entries in one commit; the rest waits for the next. */
export const MAX_BATCH = 1_024;
/** Entries that may wait; stops: memory exhaustion by whoever may append. */
export const MAX_QUEUE = 65_536;

export interface TileLogOptions {
  /** Origin line of the checkpoints and name of their key. */
  readonly origin: string;
  /** Ed25519. */
  readonly signer: Signer;
  /** An entry that is in the log already is answered with its first index. Holds about 100 bytes of memory per entry. */
  readonly dedup?: boolean;
}

/** Where an entry stands, durable: what a bundle's `tlogEntries` needs. */
export interface Appended {
  readonly index: bigint;
  /** Size and root of the tree that the proof and checkpoint are of. */
  readonly size: bigint;
  readonly root: Hash;
  readonly proof: readonly Hash[];
  /** Signed note. */
  readonly checkpoint: Uint8Array;
  readonly duplicate: boolean;
}

interface Waiting {
  readonly entry: Uint8Array;
  readonly key: string;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: unknown) => void;
}

interface Head {
  readonly frontier: Frontier;
  readonly root: Hash;
  readonly checkpoint: Uint8Array;
}

/**
 * A transparency log on plain files (C2SP tlog-tiles, tlog-checkpoint): the files are the truth. One writer; appends that
 * arrive together are committed together: tiles and their folders synced, then the checkpoint replaced and synced, then
 * the answers. After a failed write the log refuses appends until it is opened again.
 */
export class TileLog {
  readonly #signer: NoteSigner;
  readonly #reader: TileReader;
  readonly #writer: TileWriter;
  readonly #indexes: Map<string, bigint> | null;
  readonly #onClose: AsyncDisposable | null;
  #head: Head;
  #queue: Waiting[] = [];
  #committing: Promise<void> | null = null;
  #failure: unknown = null;
  #closed = false;

  private constructor(parts: {
    signer: NoteSigner;
    reader: TileReader;
    writer: TileWriter;
    indexes: Map<string, bigint> | null;
    head: Head;
    onClose: AsyncDisposable | null;
  }) {
    this.#signer = parts.signer;
    this.#reader = parts.reader;
    this.#writer = parts.writer;
    this.#indexes = parts.indexes;
    this.#head = parts.head;
    this.#onClose = parts.onClose;
  }

  /** Opens the log on a disk, or begins it there. onClose is disposed of with the log. Throws LogError "log.corrupt", "log.origin". */
  static async on(
    disk: LogDisk,
    options: TileLogOptions,
    onClose: AsyncDisposable | null = null,
  ): Promise<TileLog> {
    const signer = noteSigner(options.origin, options.signer);
    const [reader, writer] = [new TileReader(disk), new TileWriter(disk)];
    const note = (await disk.read("checkpoint")) ?? (await begin(disk, writer, signer));
    const frontier = await openFrontier(disk, note, signer.verifierKey);
    const head = { frontier, root: rootOf(frontier), checkpoint: note };
    const indexes = options.dedup === true ? await indexEntries(reader, frontier) : null;
    return new TileLog({ signer, reader, writer, indexes, head, onClose });
  }

  get size(): bigint {
    return this.#head.frontier.size;
  }

  get root(): Hash {
    return this.#head.root;
  }

  /** C2SP verifier key of the checkpoints. */
  get verifierKey(): string {
    return this.#signer.verifierKey;
  }

  /** The newest checkpoint, a signed note. */
  readCheckpoint(): Uint8Array {
    return this.#head.checkpoint;
  }

  /**
   * Appends an entry of at most 65,535 bytes; answers when it, its proof and its checkpoint are durable.
   * Throws LogError "log.entry-size", "log.overloaded", "log.closed", "log.unavailable" (a write failed: nothing is promised
   * about the entry, and the log must be opened again).
   */
  append(entry: Uint8Array): Promise<Appended> {
    const refused = this.#refusal(entry);
    if (refused !== null) return Promise.reject(refused);
    const copy = Uint8Array.from(entry);
    return new Promise((resolve, reject) => {
      this.#queue.push({ entry: copy, key: encodeHex(leafHash(copy)), resolve, reject });
      this.#committing ??= this.#commitAll();
    });
  }

  /** Proves entry `index` in the tree of the first `size` entries. Throws LogError "log.range". */
  inclusionProof(index: bigint, size: bigint): Promise<readonly Hash[]> {
    this.#inRange(
      index >= 0n && index < size && size <= this.size,
      `entry ${index} in a tree of ${size}`,
    );
    return this.#reader.proof(this.#head.frontier, planInclusion(index, size), new Map());
  }

  /** Proves that the tree of `size1` entries begins the tree of `size2`. Throws LogError "log.range". */
  consistencyProof(size1: bigint, size2: bigint): Promise<readonly Hash[]> {
    this.#inRange(
      size1 >= 1n && size1 <= size2 && size2 <= this.size,
      `trees of ${size1} and ${size2}`,
    );
    return this.#reader.proof(this.#head.frontier, planConsistency(size1, size2), new Map());
  }

  /** Entries from `from` on, at most to the end of their bundle (256): read on from there. Throws LogError "log.range". */
  async entries(from: bigint): Promise<readonly Uint8Array[]> {
    this.#inRange(from >= 0n && from <= this.size, `entries from ${from}`);
    const bundle = await this.#reader.entries(this.#head.frontier, from / 256n);
    return bundle.slice(Number(from % 256n));
  }

  /** Answers what waits, then gives the folder back. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    while (this.#committing !== null) await this.#committing;
    await this.#onClose?.[Symbol.asyncDispose]();
  }

  #refusal(entry: Uint8Array): LogError | null {
    if (this.#closed) return new LogError("log.closed", "cannot append: the log is closed");
    if (this.#failure !== null) return this.#unavailable();
    if (entry.length > MAX_ENTRY_BYTES)
      return new LogError(
        "log.entry-size",
        `cannot append ${entry.length} bytes: wanted at most ${MAX_ENTRY_BYTES}`,
      );
    if (this.#queue.length >= MAX_QUEUE)
      return new LogError("log.overloaded", `cannot append: ${MAX_QUEUE} entries wait`);
    return null;
  }

  #unavailable(): LogError {
    return new LogError(
      "log.unavailable",
      "cannot append: an earlier write failed, and the log must be opened again",
      { cause: this.#failure },
    );
  }

  async #commitAll(): Promise<void> {
    // Lets a caller's other appends of the same turn join the first batch.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, MAX_BATCH);
      try {
        await this.#commit(batch);
      } catch (error) {
        // What the disk holds now is unknown: no later append may build on it.
        this.#failure = error;
        for (const waiting of [...batch, ...this.#queue.splice(0)])
          waiting.reject(this.#unavailable());
      }
    }
    this.#committing = null;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const indexed = this.#assign(batch);
    const added = indexed.filter(({ duplicate }) => !duplicate).map(({ waiting }) => waiting.entry);
    const outgrown = added.length > 0 ? await this.#write(grow(this.#head.frontier, added)) : [];
    for (const { waiting, index, duplicate } of indexed)
      if (!duplicate) this.#indexes?.set(waiting.key, index);
    const { frontier, root, checkpoint } = this.#head;
    const memo = new Map<string, Hash>();
    for (const { waiting, index, duplicate } of indexed) {
      const proof = await this.#reader.proof(frontier, planInclusion(index, frontier.size), memo);
      waiting.resolve({ index, size: frontier.size, root, proof, checkpoint, duplicate });
    }
    await this.#writer.clear(outgrown);
  }

  /** Gives each entry its index; an entry that is there already, or twice in the batch, gets the first one. */
  #assign(
    batch: readonly Waiting[],
  ): readonly { waiting: Waiting; index: bigint; duplicate: boolean }[] {
    let next = this.#head.frontier.size;
    const inBatch = new Map<string, bigint>();
    return batch.map((waiting) => {
      const first =
        this.#indexes === null
          ? undefined
          : (this.#indexes.get(waiting.key) ?? inBatch.get(waiting.key));
      if (first !== undefined) return { waiting, index: first, duplicate: true };
      inBatch.set(waiting.key, next);
      return { waiting, index: next++, duplicate: false };
    });
  }

  async #write(growth: Growth): Promise<readonly string[]> {
    const { frontier } = growth;
    const root = rootOf(frontier);
    const checkpoint = signCheckpoint(this.#signer, frontier.size, root);
    await this.#writer.write(growth.files);
    await this.#writer.replaceCheckpoint(checkpoint);
    for (const [path, hashes] of growth.fullTiles) this.#reader.remember(path, hashes);
    this.#head = { frontier, root, checkpoint };
    return growth.outgrown;
  }

  #inRange(holds: boolean, what: string): void {
    if (!holds)
      throw new LogError("log.range", `cannot read ${what}: the log has ${this.size} entries`);
  }
}

async function begin(disk: LogDisk, writer: TileWriter, signer: NoteSigner): Promise<Uint8Array> {
  // Tiles without a checkpoint are a log that lost it: to begin anew would fork what others have seen.
  if (await disk.hasFolder("tile"))
    throw new LogError("log.corrupt", "cannot open the log: it has tiles and no checkpoint");
  const checkpoint = signCheckpoint(signer, 0n, rootOf(EMPTY_FRONTIER));
  await writer.replaceCheckpoint(checkpoint);
  return checkpoint;
}

function signCheckpoint(signer: NoteSigner, size: bigint, root: Hash): Uint8Array {
  return signNote(formatCheckpoint({ origin: signer.name, size, root, extensions: [] }), [signer]);
}

async function indexEntries(reader: TileReader, frontier: Frontier): Promise<Map<string, bigint>> {
  const indexes = new Map<string, bigint>();
  for (let tile = 0n; tile * 256n < frontier.size; tile++) {
    for (const [at, hash] of (await reader.hashes(frontier, 0, tile)).entries()) {
      const key = encodeHex(hash);
      if (!indexes.has(key)) indexes.set(key, tile * 256n + BigInt(at));
    }
  }
  return indexes;
}
