import { mkdir, readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { decodeBase64, openDocument, parseTrustRootBody, trustRootOf } from "#trust";
import type { ObjectReader, TrustRoot } from "#trust";
import { limits, openFence, openSnapshot } from "#contract";
import type { Fence, Snapshot } from "#contract";
import { readBounded, writeFileDurably } from "#platform";
import type { Clock, Log } from "#platform";
import { controlClient } from "./control-client.ts";
import type { ControlClient, ControlRequest } from "./control-client.ts";
import type { Enrolment } from "./enrolment.ts";
import { followLines } from "./line-stream.ts";
import { LinkError } from "./link-error.ts";

const [GET_MS, POST_MS] = [60_000, 10_000];
/** Statuses from here on say nothing of what was asked. */
const SERVER_ERRORS = 500;
/** Of what control says to a post. */
const MAX_RECEIPT_BYTES = 65_536;

export interface LineState {
  readonly snapshot: Snapshot | null;
  /** When control sealed it; an edge serves it until this plus its greatest age. */
  readonly sealedAt: Date | null;
  readonly trustRoot: TrustRoot | null;
  readonly fence: Fence | null;
}

/** What an edge did to come to a fence: grants closed, calls taken from the queue, calls ended. */
export interface FenceCounts {
  readonly refused: number;
  readonly unqueued: number;
  readonly killed: number;
}

/** A snapshot that may be served, and what is stopped of it. */
export interface Served {
  readonly snapshot: Snapshot;
  readonly fence: Fence;
}

/** An edge's side of the line to control: verified state, kept on disk, newest wins, never backwards. */
export interface ControlLine extends AsyncDisposable {
  readonly state: LineState;
  /** Null without a snapshot within its greatest age, or with a fence older than it: nothing may be served or loaded. */
  fresh(): Served | null;
  /** Milliseconds since control sealed what `fresh` may answer; null: nothing was sealed. */
  age(): number | null;
  onChange(listener: () => void): void;
  /** Brings the edge to a new fence; it is acknowledged when that is done and the fence is on disk. */
  onFence(apply: (fence: Fence) => Promise<FenceCounts>): void;
  /** Follows one more stream of control's, from now until the line is closed; heartbeats are left out. */
  follow(path: string, take: (kind: string, line: ObjectReader) => Promise<void>): void;
  post(path: string, body: Uint8Array | string): Promise<void>;
  get(path: string, maxBytes: number): Promise<Uint8Array>;
  /** Posts and takes an answer of at most `maxBytes`. Throws LinkError "link.refused", "link.unavailable", or what the connection threw. */
  ask(path: string, body: Uint8Array, how: Asked): Promise<Uint8Array>;
}

interface Asked {
  readonly headers: Readonly<Record<string, string>>;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

interface LineParts {
  /** An edge that serves nothing by itself needs to know only what is stopped. */
  readonly only?: "fence";
  readonly enrolment: Enrolment;
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Log;
}

type DocumentKind = "fence" | "trust-root" | "snapshot";

export async function openControlLine(parts: LineParts): Promise<ControlLine> {
  await mkdir(parts.dir, { recursive: true, mode: 0o700 });
  const line = new Line(parts);
  await line.restore();
  line.start();
  return line;
}

export const NOTHING_STOPPED: FenceCounts = { refused: 0, unqueued: 0, killed: 0 };

class Line implements ControlLine {
  readonly #parts: LineParts;
  readonly #send: ControlClient;
  readonly #listeners: (() => void)[] = [];
  readonly #stop = new AbortController();
  #state: LineState = { snapshot: null, sealedAt: null, trustRoot: null, fence: null };
  #served: Served | null = null;
  #applyFence: (fence: Fence) => Promise<FenceCounts> = () => Promise.resolve(NOTHING_STOPPED);
  /** Control's name for this connection of the fence's stream. */
  #fenceLine = "";
  readonly #running: Promise<void>[] = [];

  constructor(parts: LineParts) {
    this.#parts = parts;
    this.#send = controlClient(parts.enrolment.ca);
  }

  get state(): LineState {
    return this.#state;
  }

  fresh(): Served | null {
    const { snapshot, sealedAt } = this.#state;
    if (this.#served === null || snapshot === null || sealedAt === null) return null;
    return this.#parts.clock.now().getTime() - sealedAt.getTime() <= snapshot.greatestAgeMs
      ? this.#served
      : null;
  }

  age(): number | null {
    const { sealedAt } = this.#state;
    return sealedAt === null ? null : this.#parts.clock.now().getTime() - sealedAt.getTime();
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  onFence(apply: (fence: Fence) => Promise<FenceCounts>): void {
    this.#applyFence = apply;
  }

  /** What a restart of this edge starts from: the same documents, verified again. */
  async restore(): Promise<void> {
    for (const kind of ["fence", "trust-root", "snapshot"] as const) {
      const bytes = await readFile(join(this.#parts.dir, `${kind}.dsse`)).catch(() => null);
      if (bytes !== null) this.#tryAccept(kind, bytes);
    }
  }

  start(): void {
    this.#follow("/v1/edge/fence", (line) => this.#takeFence(line));
    if (this.#parts.only === undefined) this.#follow("/v1/edge/stream", (line) => this.#take(line));
  }

  follow(path: string, take: (kind: string, line: ObjectReader) => Promise<void>): void {
    this.#follow(path, async (line) => {
      const kind = line.string("kind", { max: 32 });
      if (kind !== "heartbeat") await take(kind, line);
    });
  }

  #follow(path: string, take: (line: ObjectReader) => Promise<void>): void {
    const { log } = this.#parts;
    const open = (at: string, init: { readonly signal: AbortSignal }) => this.#answer(at, init);
    this.#running.push(followLines({ path, take, open, log, signal: this.#stop.signal }));
  }

  async #take(line: ObjectReader): Promise<void> {
    const kind = line.oneOf("kind", ["heartbeat", "snapshot", "trust-root"]);
    if (kind === "heartbeat") return;
    const bytes = documentOf(line);
    if (!this.#tryAccept(kind, bytes)) return;
    await this.#keep(kind, bytes);
    this.#changed();
  }

  /** In force first, on disk next, acknowledged last. */
  async #takeFence(line: ObjectReader): Promise<void> {
    const kind = line.oneOf("kind", ["heartbeat", "line", "fence"]);
    if (kind === "heartbeat") return;
    if (kind === "line") {
      this.#fenceLine = line.string("id", { max: 64 });
      return;
    }
    const bytes = documentOf(line);
    if (!this.#tryAccept("fence", bytes)) return;
    const { fence } = this.#state;
    if (fence === null) return;
    const counts = await this.#applyFence(fence);
    await this.#keep("fence", bytes);
    await this.post(
      "/v1/edge/fence/ack",
      JSON.stringify({ line: this.#fenceLine, epoch: fence.epoch, ...counts }),
    );
    this.#changed();
  }

  #keep(kind: DocumentKind, bytes: Uint8Array): Promise<void> {
    return writeFileDurably(join(this.#parts.dir, `${kind}.dsse`), bytes);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** False where the document does not hold: the edge keeps what it has. */
  #tryAccept(kind: DocumentKind, bytes: Uint8Array): boolean {
    try {
      if (kind === "snapshot") this.#acceptSnapshot(bytes);
      else if (kind === "fence") this.#acceptFence(bytes);
      else this.#acceptTrustRoot(bytes);
      this.#served = servedFrom(this.#state, this.#served);
      return true;
    } catch (error) {
      this.#parts.log.error("link.document-refused", { kind, reason: String(error) });
      return false;
    }
  }

  #acceptSnapshot(bytes: Uint8Array): void {
    const opened = openSnapshot(bytes, this.#parts.enrolment.stateKey, this.#parts.clock.now()); // stops: a snapshot of another control, an expired one
    refuseOlder("snapshot", this.#state.snapshot?.epoch, opened.body.epoch);
    this.#state = { ...this.#state, snapshot: opened.body, sealedAt: opened.issuedAt };
  }

  #acceptFence(bytes: Uint8Array): void {
    const opened = openFence(bytes, this.#parts.enrolment.stateKey, this.#parts.clock.now()); // stops: whoever would lift what control set
    refuseOlder("fence", this.#state.fence?.epoch, opened.body.epoch);
    // Sealed again with later times, an epoch says the same.
    if (this.#state.fence?.epoch !== opened.body.epoch)
      this.#state = { ...this.#state, fence: opened.body };
  }

  #acceptTrustRoot(bytes: Uint8Array): void {
    const opened = openDocument(
      "trust-root",
      bytes,
      [this.#parts.enrolment.trustRootKey],
      this.#parts.clock.now(),
      parseTrustRootBody,
    ); // stops: the state key changing the root
    refuseOlder("trust-root", this.#state.trustRoot?.version, opened.body.version);
    this.#state = { ...this.#state, trustRoot: trustRootOf(opened.body) };
  }

  async post(path: string, body: Uint8Array | string): Promise<void> {
    const signal = AbortSignal.timeout(POST_MS);
    await this.ask(path, Buffer.from(body), { headers: {}, signal, maxBytes: MAX_RECEIPT_BYTES });
  }

  async get(path: string, maxBytes: number): Promise<Uint8Array> {
    return bodyOf(
      path,
      await this.#answer(path, { signal: AbortSignal.timeout(GET_MS) }),
      maxBytes,
    );
  }

  async ask(path: string, body: Uint8Array, how: Asked): Promise<Uint8Array> {
    const answer = await this.#answer(path, {
      method: "POST",
      body,
      headers: { ...how.headers, "content-type": "application/octet-stream" },
      signal: how.signal,
    });
    return bodyOf(path, answer, how.maxBytes);
  }

  async #answer(path: string, request: ControlRequest): Promise<IncomingMessage> {
    const { url, edgeToken } = this.#parts.enrolment;
    const answer = await this.#send(new URL(path, url), {
      ...request,
      headers: { ...request.headers, authorization: `Bearer ${edgeToken}` },
    });
    if (answer.statusCode === 200) return answer;
    // What nobody reads keeps its connection.
    answer.destroy();
    const code = (answer.statusCode ?? 0) < SERVER_ERRORS ? "link.refused" : "link.unavailable";
    throw new LinkError(code, `control answered ${answer.statusCode} to ${path}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }
}

async function bodyOf(
  path: string,
  answer: IncomingMessage,
  maxBytes: number,
): Promise<Uint8Array> {
  const body = await readBounded(answer, maxBytes);
  if (body === null)
    throw new LinkError("link.refused", `cannot take ${path}: over ${maxBytes} bytes`);
  return body;
}

/** Null where the fence is older than the snapshot knows: what was stopped since would be served. */
function servedFrom({ snapshot, fence }: LineState, before: Served | null): Served | null {
  if (snapshot === null || fence === null || fence.epoch < snapshot.fenceEpoch) return null;
  // The same object as long as nothing changed: what is made ready from it is kept by it.
  if (before?.snapshot === snapshot && before.fence === fence) return before;
  return { snapshot, fence };
}

/** Stops: replay. */
function refuseOlder(kind: DocumentKind, known: number | undefined, sent: number): void {
  if (known !== undefined && sent < known)
    throw new LinkError(`${kind}.rollback`, `cannot go back from ${kind} ${known} to ${sent}`);
}

function documentOf(line: ObjectReader): Uint8Array {
  const value = line.value("document");
  return decodeBase64(typeof value === "string" ? value : "", {
    maxBytes: limits.documentBytes.value,
  });
}
