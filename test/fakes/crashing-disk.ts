import type { LogDisk } from "../../src/control/log/log-disk.ts";

/** Thrown by every operation from the crash on. */
class PowerCut extends Error {}

interface Node {
  bytes: Uint8Array;
  /** null until the content was synced. */
  synced: Uint8Array | null;
}

type NameChange = {
  readonly folder: string;
  readonly apply: (names: Map<string, Node | "folder">) => void;
};

/**
 * A disk in memory that forgets what was not synced. It cuts the power at operation `cutAt`, counted from 1: that
 * operation has half happened. `afterCut()` is what a machine finds when it starts again: of the names that were not
 * synced any may be there or not, and a content that was not synced is cut somewhere.
 */
export class CrashingDisk implements LogDisk {
  readonly #names: Map<string, Node | "folder">;
  readonly #durable: Map<string, Node | "folder">;
  readonly #pending: NameChange[] = [];
  readonly #cutAt: number;
  #operations = 0;

  constructor(cutAt = Number.POSITIVE_INFINITY, names = new Map<string, Node | "folder">()) {
    this.#cutAt = cutAt;
    this.#names = new Map(names);
    this.#durable = new Map(names);
  }

  get operations(): number {
    return this.#operations;
  }

  get paths(): readonly string[] {
    return [...this.#names].flatMap(([path, node]) => (node === "folder" ? [] : [path])).toSorted();
  }

  readNow(path: string): Uint8Array | undefined {
    const node = this.#names.get(path);
    return node === undefined || node === "folder" ? undefined : node.bytes;
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.readNow(path));
  }

  hasFolder(path: string): Promise<boolean> {
    return Promise.resolve(this.#names.get(path) === "folder");
  }

  async makeFolder(path: string): Promise<void> {
    this.#step(() => {
      this.#requireFolder(parent(path));
      if (this.#names.has(path)) return;
      this.#change({ folder: parent(path), apply: (names) => names.set(path, "folder") });
    });
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    const node: Node = { bytes, synced: null };
    this.#step(() => {
      this.#requireFolder(parent(path));
      const old = this.#names.get(path);
      if (old === undefined || old === "folder")
        this.#change({ folder: parent(path), apply: (names) => names.set(path, node) });
      // A file that is written over loses its old content at once.
      else Object.assign(old, { bytes, synced: null });
    });
    this.#step(() => {
      const now = this.#names.get(path);
      if (now !== undefined && now !== "folder") now.synced = bytes;
    });
  }

  async syncFolder(path: string): Promise<void> {
    this.#step(() => {
      this.#requireFolder(path);
      for (const change of this.#pending.splice(0)) {
        if (change.folder === path) change.apply(this.#durable);
        else this.#pending.push(change);
      }
    });
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step(() => {
      const node = this.#names.get(from);
      if (node === undefined) throw new Error(`no file ${from}`);
      this.#change({
        folder: parent(to),
        apply: (names) => {
          names.set(to, node);
          names.delete(from);
        },
      });
    });
  }

  async removeFolder(path: string): Promise<void> {
    this.#step(() =>
      this.#change({
        folder: parent(path),
        apply: (names) => {
          for (const name of names.keys())
            if (name === path || name.startsWith(`${path}/`)) names.delete(name);
        },
      }),
    );
  }

  /** The disk that the next start finds. */
  afterCut(random: () => number): CrashingDisk {
    for (const change of this.#pending) if (random() < 0.5) change.apply(this.#durable);
    const left = new Map<string, Node | "folder">();
    for (const [path, node] of this.#durable) {
      if (!this.#hasParents(path)) continue;
      if (node === "folder") left.set(path, node);
      else {
        const bytes =
          node.synced ?? node.bytes.slice(0, Math.floor(random() * (node.bytes.length + 1)));
        left.set(path, { bytes, synced: bytes });
      }
    }
    return new CrashingDisk(Number.POSITIVE_INFINITY, left);
  }

  #hasParents(path: string): boolean {
    for (let folder = parent(path); folder !== ""; folder = parent(folder))
      if (this.#durable.get(folder) !== "folder") return false;
    return true;
  }

  #step(run: () => void): void {
    this.#operations++;
    if (this.#operations > this.#cutAt) throw new PowerCut();
    run();
    if (this.#operations === this.#cutAt) throw new PowerCut();
  }

  #change(change: NameChange): void {
    change.apply(this.#names);
    this.#pending.push(change);
  }

  #requireFolder(path: string): void {
    if (path !== "" && this.#names.get(path) !== "folder") throw new Error(`no folder ${path}`);
  }
}

function parent(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
}
