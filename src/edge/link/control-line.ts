import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  decodeBase64,
  ObjectReader,
  openDocument,
  parseStrictJson,
  parseTrustRootBody,
  trustRootOf,
} from "#trust";
import type { TrustRoot } from "#trust";
import { limits, openSnapshot } from "#contract";
import type { Snapshot } from "#contract";
import { writeFileDurably } from "#platform";
import type { Clock, Log } from "#platform";
import type { Enrolment } from "./enrolment.ts";
import { LinkError } from "./link-error.ts";

const RETRY_MS = [100, 200, 500, 1_000];
const SILENT_MS = 3_000;
const MAX_LINE_BYTES = 24 * 1_048_576;

export interface LineState {
  readonly snapshot: Snapshot | null;
  /** When control sealed it; an edge serves it until this plus its greatest age. */
  readonly sealedAt: Date | null;
  readonly trustRoot: TrustRoot | null;
}

/** An edge's side of the line to control: verified state, kept on disk, newest wins, never backwards. */
export interface ControlLine extends AsyncDisposable {
  readonly state: LineState;
  /** A snapshot that is not older than its greatest age; null otherwise. */
  fresh(): Snapshot | null;
  onChange(listener: () => void): void;
  post(path: string, body: Uint8Array | string): Promise<void>;
  get(path: string, maxBytes: number): Promise<Uint8Array>;
}

export async function openControlLine(parts: {
  readonly enrolment: Enrolment;
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<ControlLine> {
  await mkdir(parts.dir, { recursive: true, mode: 0o700 });
  const line = new Line(parts);
  await line.restore();
  line.start();
  return line;
}

class Line implements ControlLine {
  readonly #enrolment: Enrolment;
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners: (() => void)[] = [];
  readonly #stop = new AbortController();
  #state: LineState = { snapshot: null, sealedAt: null, trustRoot: null };
  #running: Promise<void> = Promise.resolve();

  constructor(parts: {
    readonly enrolment: Enrolment;
    readonly dir: string;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#enrolment = parts.enrolment;
    this.#dir = parts.dir;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  get state(): LineState {
    return this.#state;
  }

  fresh(): Snapshot | null {
    const { snapshot, sealedAt } = this.#state;
    if (snapshot === null || sealedAt === null) return null;
    return this.#clock.now().getTime() - sealedAt.getTime() <= snapshot.greatestAgeMs
      ? snapshot
      : null;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** What a restart of this edge starts from: the same documents, verified again. */
  async restore(): Promise<void> {
    for (const kind of ["trust-root", "snapshot"] as const) {
      const bytes = await readFile(join(this.#dir, `${kind}.dsse`)).catch(() => null);
      if (bytes !== null) this.#tryAccept(kind, bytes);
    }
  }

  start(): void {
    this.#running = this.#follow();
  }

  async #follow(): Promise<void> {
    for (let attempt = 0; !this.#stop.signal.aborted; attempt++) {
      try {
        await this.#readStream(() => (attempt = 0));
      } catch (error) {
        if (!this.#stop.signal.aborted)
          this.#log.warn("link.lost", { reason: String((error as Error).cause ?? error) });
      }
      await pause(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 1_000, this.#stop.signal);
    }
  }

  async #readStream(connected: () => void): Promise<void> {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), SILENT_MS);
    try {
      const response = await this.#fetch("/v1/edge/stream", {
        signal: AbortSignal.any([this.#stop.signal, silent.signal]),
      });
      if (response.body === null) throw new LinkError("link.refused", "control sent no stream");
      connected();
      for await (const text of linesOf(response.body)) {
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENT_MS);
        await this.#take(text);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async #take(text: string): Promise<void> {
    const reader = ObjectReader.of(
      parseStrictJson(new TextEncoder().encode(text), { maxBytes: MAX_LINE_BYTES }),
      "line",
    );
    const kind = reader.oneOf("kind", ["heartbeat", "snapshot", "trust-root"]);
    if (kind === "heartbeat") return;
    const value = reader.value("document");
    const bytes = decodeBase64(typeof value === "string" ? value : "", {
      maxBytes: limits.documentBytes.value,
    });
    if (!this.#tryAccept(kind, bytes)) return;
    await writeFileDurably(join(this.#dir, `${kind}.dsse`), bytes);
    for (const listener of this.#listeners) listener();
  }

  /** False where the document does not hold: the edge keeps what it has. */
  #tryAccept(kind: "snapshot" | "trust-root", bytes: Uint8Array): boolean {
    try {
      if (kind === "snapshot") this.#acceptSnapshot(bytes);
      else this.#acceptTrustRoot(bytes);
      return true;
    } catch (error) {
      this.#log.error("link.document-refused", { kind, reason: String(error) });
      return false;
    }
  }

  #acceptSnapshot(bytes: Uint8Array): void {
    const opened = openSnapshot(bytes, this.#enrolment.stateKey, this.#clock.now()); // stops: a snapshot of another control, an expired one
    const known = this.#state.snapshot?.epoch ?? 0;
    if (opened.body.epoch < known)
      throw new LinkError(
        "snapshot.rollback",
        `cannot go back from snapshot ${known} to ${opened.body.epoch}`,
      ); // stops: replay
    this.#state = { ...this.#state, snapshot: opened.body, sealedAt: opened.issuedAt };
  }

  #acceptTrustRoot(bytes: Uint8Array): void {
    const opened = openDocument(
      "trust-root",
      bytes,
      [this.#enrolment.trustRootKey],
      this.#clock.now(),
      parseTrustRootBody,
    ); // stops: the state key changing the root
    const known = this.#state.trustRoot?.version ?? 0;
    if (opened.body.version < known)
      throw new LinkError(
        "trust-root.rollback",
        `cannot go back from trust root ${known} to ${opened.body.version}`,
      );
    this.#state = { ...this.#state, trustRoot: trustRootOf(opened.body) };
  }

  async post(path: string, body: Uint8Array | string): Promise<void> {
    const response = await this.#fetch(path, {
      method: "POST",
      body,
      headers: { "content-type": "application/octet-stream" },
      signal: AbortSignal.timeout(10_000),
    });
    await response.arrayBuffer();
  }

  async get(path: string, maxBytes: number): Promise<Uint8Array> {
    const response = await this.#fetch(path, { signal: AbortSignal.timeout(60_000) });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > maxBytes)
        throw new LinkError("link.refused", `cannot take ${path}: over ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  async #fetch(
    path: string,
    init: RequestInit & { headers?: Record<string, string> },
  ): Promise<Response> {
    const headers = { ...init.headers, authorization: `Bearer ${this.#enrolment.edgeToken}` };
    const response = await fetch(new URL(path, this.#enrolment.url), {
      ...init,
      headers,
      redirect: "error",
    });
    if (!response.ok)
      throw new LinkError("link.refused", `control answered ${response.status} to ${path}`);
    return response;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > MAX_LINE_BYTES)
      throw new LinkError("link.refused", `a line over ${MAX_LINE_BYTES} bytes`);
    const parts = rest.split("\n");
    rest = parts.pop() ?? "";
    yield* parts.filter((part) => part !== "");
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
