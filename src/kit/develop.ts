import { readdirSync, watch } from "node:fs";
import type { FSWatcher } from "node:fs";
import { join } from "node:path";
import type { ManifestDigest } from "#trust";
import type { ConfigValues } from "#contract";
import { Front } from "./front.ts";
import type { FrontCall } from "./front.ts";
import type { LocalEvents } from "./local-control.ts";
import { LocalEdge } from "./local-edge.ts";
import { packFolder } from "./pack.ts";

/** Editors write in several steps; one build is enough for them. */
const QUIET_MS = 100;
/** At the top: what a build writes itself, or what no build reads. */
const NOT_SOURCES = new Set(["dist", "types", "test"]);

export type DevEvent =
  | { readonly kind: "building" }
  | { readonly kind: "remark"; readonly text: string }
  | { readonly kind: "failed"; readonly message: string; readonly serving: boolean }
  | {
      readonly kind: "serving";
      readonly url: string;
      readonly digest: ManifestDigest;
      readonly tookMs: number;
    }
  | ({ readonly kind: "call" } & FrontCall)
  /** text: the guest's own, attacker-controlled. */
  | { readonly kind: "log"; readonly level: string; readonly text: string };

/**
 * Builds and serves an extension's folder on loopback, again after every save, until `signal` aborts; the last build that
 * worked goes on serving while one fails. Every call runs as in production: in the sandbox, under the limits of its caisson.json.
 * Throws KitError "local.failed".
 */
export async function develop(options: {
  readonly folder: string;
  /** 0 for any. */
  readonly port: number;
  readonly config: ConfigValues;
  readonly signal: AbortSignal;
  readonly tell: (event: DevEvent) => void;
}): Promise<void> {
  const { folder, port, config, signal, tell } = options;
  const events: LocalEvents = {
    onLog: ({ level, message }) => tell({ kind: "log", level, text: message }),
    onCall: () => {},
  };
  await using edge = await LocalEdge.start(events, config);
  await using front = await Front.listen(edge, port, (call) => tell({ kind: "call", ...call }));
  using saves = new Saves(folder);
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
  const work = async () => {
    while (!signal.aborted) {
      await buildAndServe(folder, edge, front, tell);
      await Promise.race([saves.next(), stopped]);
    }
  };
  await Promise.race([work(), edge.failed, stopped]);
}

async function buildAndServe(
  folder: string,
  edge: LocalEdge,
  front: Front,
  tell: (event: DevEvent) => void,
): Promise<void> {
  const from = performance.now();
  tell({ kind: "building" });
  try {
    const packed = await packFolder(folder, (text) => tell({ kind: "remark", text }), "draft");
    await edge.serve(packed);
    const tookMs = Math.round(performance.now() - from);
    tell({ kind: "serving", url: front.url, digest: packed.digest, tookMs });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    tell({ kind: "failed", message, serving: edge.serving !== null });
  }
}

/**
 * Changes of a folder's sources, with those that come close together taken as one. Folders are watched one by one: a watch on a
 * file is lost when an editor puts another file in its place.
 */
class Saves implements Disposable {
  readonly #folder: string;
  readonly #watchers = new Map<string, FSWatcher>();
  #timer: NodeJS.Timeout | null = null;
  #changed = false;
  #waiting: (() => void) | null = null;

  constructor(folder: string) {
    this.#folder = folder;
    this.#watchAll();
  }

  /** Resolves at the next change; at once where there was one since the last call. */
  async next(): Promise<void> {
    if (!this.#changed) await new Promise<void>((resolve) => (this.#waiting = resolve));
    this.#changed = false;
  }

  #watchAll(): void {
    const folders = sourceFolders(this.#folder, "");
    for (const [path, watcher] of this.#watchers) if (!folders.includes(path)) watcher.close();
    for (const path of folders) {
      if (this.#watchers.has(path)) continue;
      const watcher = watch(join(this.#folder, path), (_event, name) => this.#onChange(path, name));
      watcher.on("error", () => {}); // a folder that is taken away while it is watched
      watcher.on("close", () => this.#watchers.delete(path));
      this.#watchers.set(path, watcher);
    }
  }

  #onChange(path: string, name: string | null): void {
    if (name === null || !isSource(path, name)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#watchAll();
      this.#changed = true;
      this.#waiting?.();
      this.#waiting = null;
    }, QUIET_MS);
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}

function isSource(path: string, name: string): boolean {
  if (name.startsWith(".") || name === "node_modules") return false;
  return path !== "" || !NOT_SOURCES.has(name);
}

/** The folder itself and those below it, by their paths in it. */
function sourceFolders(root: string, path: string): string[] {
  const below = readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isSource(path, entry.name))
    .flatMap((entry) => sourceFolders(root, join(path, entry.name)));
  return [path, ...below];
}
