import type { ServerResponse } from "node:http";
import { documentTimes, encodeBase64 } from "#trust";
import { limits, sealFence } from "#contract";
import { newId } from "#platform";
import type { Log } from "#platform";
import type { RegistryParts } from "#registry";
import { listEdges } from "#tenants";
import { beginLines, HEARTBEAT_MS, sendLine } from "./send-line.ts";

const FENCE_VALID_MS = 24 * 3_600_000;
const RESEAL_MS = 30_000;

/** What an edge says once nothing stopped at that epoch can start or go on there. */
export interface FenceAck {
  readonly epoch: number;
  /** Grants under which no call starts any more. */
  readonly refused: number;
  /** Calls that were waiting, and calls that were running. */
  readonly unqueued: number;
  readonly killed: number;
}

/** How one enrolled edge stands to an epoch. */
export interface EdgeReport extends Omit<FenceAck, "epoch"> {
  readonly edge: string;
  readonly kind: string;
  readonly connected: boolean;
  readonly acknowledged: boolean;
}

interface Line {
  readonly response: ServerResponse;
  readonly edge: string;
  ack: FenceAck | null;
}

/** The fence's own channel to each edge, so that no snapshot and no build stands before a stop. */
export class FenceLines implements AsyncDisposable {
  readonly #parts: RegistryParts;
  readonly #log: Log;
  readonly #lines = new Map<string, Line>();
  readonly #timers: readonly NodeJS.Timeout[];
  readonly #waiting = new Set<() => void>();

  constructor(parts: RegistryParts, log: Log) {
    this.#parts = parts;
    this.#log = log;
    this.#timers = [
      setInterval(() => this.#sendAll({ kind: "heartbeat" }), HEARTBEAT_MS),
      // Sealed again long before it ends, as snapshots are.
      setInterval(() => this.announce(), RESEAL_MS),
    ];
  }

  attach(response: ServerResponse, edge: string): void {
    const id = newId("request");
    beginLines(response);
    this.#lines.set(id, { response, edge, ack: null });
    response.on("close", () => {
      this.#lines.delete(id);
      this.#wake();
    });
    sendLine(response, { kind: "line", id });
    sendLine(response, this.#sealed());
  }

  /** Sends the fence as it stands now to every edge. */
  announce(): void {
    this.#sendAll(this.#sealed());
  }

  /** An acknowledgement of another edge's line, or of an epoch that was never sent, counts nothing: false. */
  acknowledge(line: string, edge: string, ack: FenceAck): boolean {
    const known = this.#lines.get(line);
    if (known?.edge !== edge || ack.epoch > this.#parts.fences.current.epoch) return false;
    // An epoch that is acknowledged again was acknowledged with its counts the first time.
    if (known.ack?.epoch === ack.epoch) return true;
    known.ack = ack;
    this.#log.info("fence.acknowledged", { edge, ...ack });
    this.#wake();
    return true;
  }

  /** How each enrolled edge stands to the epoch now. */
  async standing(epoch: number): Promise<EdgeReport[]> {
    const edges = await listEdges(this.#parts.store);
    return edges.map(({ id, kind }) => this.#report(id, kind, epoch));
  }

  /** Waits until every enrolled edge stands at the epoch, or its time is over; tells how each stands. */
  async settled(epoch: number): Promise<EdgeReport[]> {
    const edges = await listEdges(this.#parts.store);
    const end = Date.now() + limits.fenceAckMs.value;
    for (;;) {
      const reports = edges.map(({ id, kind }) => this.#report(id, kind, epoch));
      const left = end - Date.now();
      if (left <= 0 || reports.every((report) => report.acknowledged)) return reports;
      await this.#change(left);
    }
  }

  /** An edge with several connections stands at an epoch when all of them do; one without any does not. */
  #report(edge: string, kind: string, epoch: number): EdgeReport {
    const lines = [...this.#lines.values()].filter((line) => line.edge === edge);
    const acks = lines.flatMap(({ ack }) => (ack !== null && ack.epoch >= epoch ? [ack] : []));
    const sum = (field: "refused" | "unqueued" | "killed") =>
      acks.reduce((total, ack) => total + ack[field], 0);
    return {
      edge,
      kind,
      connected: lines.length > 0,
      acknowledged: lines.length > 0 && acks.length === lines.length,
      refused: sum("refused"),
      unqueued: sum("unqueued"),
      killed: sum("killed"),
    };
  }

  #change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, withinMs);
      this.#waiting.add(done);
    });
  }

  #wake(): void {
    for (const done of this.#waiting) done();
  }

  #sealed(): object {
    const now = this.#parts.clock.now();
    const times = documentTimes(now, new Date(now.getTime() + FENCE_VALID_MS));
    const document = sealFence(this.#parts.fences.current, times, this.#parts.keys.state);
    return { kind: "fence", document: encodeBase64(document) };
  }

  #sendAll(line: object): void {
    for (const { response } of this.#lines.values()) sendLine(response, line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const { response } of this.#lines.values()) response.end();
    this.#wake();
  }
}
