import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** Beside the clone: the corpora are public data that is not part of the repository. */
export const CORPORA = join(import.meta.dirname, "../../../shared/corpora");

export function corporaPresent(): boolean {
  return existsSync(CORPORA);
}

interface SetEntry {
  readonly folder: string;
  readonly files: number;
  readonly sha256: string;
}

const checked = new Map<string, CorpusSet>();

/** A set of the trust corpus, its files compared with MANIFEST.json first: a missing or changed file throws. */
export function openSet(folder: string): CorpusSet {
  const known = checked.get(folder);
  if (known !== undefined) return known;
  const trust = join(CORPORA, "trust");
  const manifest = JSON.parse(readFileSync(join(trust, "MANIFEST.json"), "utf8")) as {
    sets: SetEntry[];
  };
  const entry = manifest.sets.find((set) => set.folder === folder);
  if (entry === undefined) throw new Error(`the corpus manifest names no set "${folder}"`);
  const set = new CorpusSet(join(trust, folder));
  const found = manifestDigest(set);
  if (set.files.length !== entry.files || found !== entry.sha256)
    throw new Error(
      `corpus set "${folder}" is not what its manifest says: ${set.files.length} files, ${found}; wanted ${entry.files}, ${entry.sha256}`,
    );
  checked.set(folder, set);
  return set;
}

/** SHA-256 over one line per file, `<sha256>  <path>` and a newline, the lines sorted bytewise. */
function manifestDigest(set: CorpusSet): string {
  const lines = set.files.map((file) =>
    Buffer.from(`${createHash("sha256").update(set.bytes(file)).digest("hex")}  ${file}\n`),
  );
  return createHash("sha256")
    .update(Buffer.concat(lines.toSorted((a, b) => Buffer.compare(a, b))))
    .digest("hex");
}

export class CorpusSet {
  /** Paths within the set, sorted. */
  readonly files: readonly string[];
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
    this.files = readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)))
      .toSorted();
  }

  has(path: string): boolean {
    return this.files.includes(path);
  }

  bytes(path: string): Uint8Array {
    return new Uint8Array(readFileSync(join(this.#root, path)));
  }

  text(path: string): string {
    return readFileSync(join(this.#root, path), "utf8");
  }

  /** The file's JSON as T; the caller knows the shape from the set's own description. */
  json<T>(path: string): T {
    return JSON.parse(this.text(path)) as T;
  }
}
