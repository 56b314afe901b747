import type { ServerResponse } from "node:http";
import { documentTimes, encodeBase64 } from "#trust";
import { sealSnapshot } from "#contract";
import { buildSnapshot } from "#registry";
import type { RegistryParts } from "#registry";
import type { Log } from "#platform";
import { beginLines, HEARTBEAT_MS, sendLine } from "./send-line.ts";

const SNAPSHOT_VALID_MS = 24 * 3_600_000;
const RESEAL_MS = 30_000;
const AGAIN_MS = 1_000;

/** The long stream control → edge: trust root, snapshot, heartbeats; a JSON object per line. */
export class EdgeLines implements AsyncDisposable {
  readonly #parts: RegistryParts;
  readonly #log: Log;
  readonly #open = new Set<ServerResponse>();
  readonly #beat: NodeJS.Timeout;
  readonly #reseal: NodeJS.Timeout;
  #snapshot: Uint8Array | null = null;
  /** The trust root that every edge on the line has. */
  #sentRoot: Uint8Array | null = null;
  #again: NodeJS.Timeout | null = null;
  #sealing: Promise<void> = Promise.resolve();

  constructor(parts: RegistryParts, log: Log) {
    this.#parts = parts;
    this.#log = log;
    this.#beat = setInterval(() => this.#sendAll({ kind: "heartbeat" }), HEARTBEAT_MS);
    // Sealed again before it is old, so that an edge's snapshot is fresh while control is up.
    this.#reseal = setInterval(() => void this.changed(), RESEAL_MS);
  }

  /** Edges on the line. */
  get count(): number {
    return this.#open.size;
  }

  async attach(response: ServerResponse): Promise<void> {
    if (this.#snapshot === null) await this.changed();
    beginLines(response);
    this.#open.add(response);
    response.on("close", () => this.#open.delete(response));
    sendLine(response, { kind: "trust-root", document: encodeBase64(this.#parts.trust.document) });
    if (this.#snapshot !== null)
      sendLine(response, { kind: "snapshot", document: encodeBase64(this.#snapshot) });
  }

  /** Seals a new snapshot and sends it; calls that come meanwhile are answered in order. */
  changed(): Promise<void> {
    this.#sealing = this.#sealing
      .then(() => this.#sealAndSend())
      .catch((error: unknown) => {
        this.#log.error("snapshot.failed", { reason: String(error) });
        this.#again ??= setTimeout(() => this.#tryAgain(), AGAIN_MS).unref();
      });
    return this.#sealing;
  }

  #tryAgain(): void {
    this.#again = null;
    void this.changed();
  }

  /** Nothing where every edge has it. */
  trustChanged(): void {
    const { document } = this.#parts.trust;
    if (document === this.#sentRoot) return;
    this.#sentRoot = document;
    this.#sendAll({ kind: "trust-root", document: encodeBase64(document) });
  }

  async #sealAndSend(): Promise<void> {
    this.trustChanged();
    const snapshot = await buildSnapshot(this.#parts);
    const now = this.#parts.clock.now();
    this.#snapshot = sealSnapshot(
      snapshot,
      documentTimes(now, new Date(now.getTime() + SNAPSHOT_VALID_MS)),
      this.#parts.keys.state,
    );
    this.#sendAll({ kind: "snapshot", document: encodeBase64(this.#snapshot) });
  }

  #sendAll(line: object): void {
    for (const response of this.#open) sendLine(response, line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#beat);
    clearInterval(this.#reseal);
    for (const response of this.#open) response.end();
    await this.#sealing;
    clearTimeout(this.#again ?? undefined);
  }
}
