import type { ClientRequest, IncomingMessage } from "node:http";
import { encodeHex, uuidText } from "#trust";
import {
  cancelBytes,
  EXECUTE_CANCEL_PATH,
  EXECUTE_PATH,
  EXECUTE_STREAM,
  executeCallBytes,
  FLAG_LAST,
  FrameDecoder,
  frameTypes,
  isErrorCode,
  limits,
  readResponse,
  readResult,
} from "#contract";
import type { CallOutcome, CallResult, FrameType, OpenFrame } from "#contract";
import { NO_USAGE } from "#gateway";
import type { CallPlace, CallSink, OpenCall } from "#gateway";
import { readBounded } from "#platform";

export interface RemoteCallParts {
  readonly frame: OpenFrame;
  readonly noBody: boolean;
  readonly sink: CallSink;
  readonly place: CallPlace;
  /** Begins a request that carries this gateway's proof for `body`; null: the runner is away. */
  readonly send: (path: string, body: Buffer) => ClientRequest | null;
  /** What all calls of this gateway hold together. */
  readonly held: { bytes: number };
  readonly onLost: () => void;
}

/** A runner that says nothing for so long after the call's deadline is lost. */
const GRACE_MS = 2_000;
const MAX_REFUSAL_BYTES = 4_096;
const CANCEL_AGAIN_MS = 50;

/** One call to a runner elsewhere. Its body is held until it is whole: the proof is of all of it. */
export class RemoteCall implements OpenCall {
  readonly #parts: RemoteCallParts;
  readonly #openedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  #chunks: Uint8Array[] = [];
  #held = 0;
  #request: ClientRequest | null = null;
  #response: IncomingMessage | null = null;
  /** Response bytes that the client has not taken. */
  #untaken = 0;
  #done = false;

  constructor(parts: RemoteCallParts) {
    this.#parts = parts;
    this.#timer = setTimeout(() => this.#onLate(), parts.frame.deadlineMicros / 1_000 + GRACE_MS);
    if (parts.noBody) setImmediate(() => this.end());
  }

  /** Over what all calls may hold together, this one is refused: no client fills this process's memory. */
  write(chunk: Uint8Array): boolean {
    if (this.#done) return true;
    const { held } = this.#parts;
    if (held.bytes + chunk.length > limits.executeHeldBytes.value) {
      this.#finish("refused", "runner.capacity");
      return true;
    }
    held.bytes += chunk.length;
    this.#held += chunk.length;
    this.#chunks.push(chunk);
    return true;
  }

  /** The body is whole: the call goes out. */
  end(): void {
    if (this.#done || this.#request !== null) return;
    const deadlineMicros = this.#remainingMicros();
    if (deadlineMicros < 1) return this.#finish("deadline", "deadline.exceeded");
    const body = executeCallBytes(this.#head(deadlineMicros), Buffer.concat(this.#chunks));
    this.#chunks = [];
    const request = this.#parts.send(EXECUTE_PATH, body);
    if (request === null) return this.#lose("runner.lost");
    this.#request = request;
    request.on("error", () => this.#lose("runner.lost"));
    request.once("response", (response) => this.#onResponse(response));
    request.end(body);
  }

  /** The result follows nevertheless, with what was used. */
  cancel(): void {
    if (this.#done) return;
    if (this.#request === null) return this.#finish("cancelled", "");
    const body = cancelBytes(uuidText(this.#parts.frame.execution));
    const request = this.#parts.send(EXECUTE_CANCEL_PATH, body);
    if (request === null) return this.#abandon();
    request.on("error", () => this.#abandon());
    request.once("response", (response) => {
      this.#onCancelled(response).catch(() => this.#abandon());
    });
    request.end(body);
  }

  /** The cancellation may have been faster than the call: it is sent again. */
  async #onCancelled(response: IncomingMessage): Promise<void> {
    const body = await readBounded(response, MAX_REFUSAL_BYTES);
    const said = JSON.parse(body?.toString("utf8") ?? "null") as { cancelled?: unknown } | null;
    if (typeof said?.cancelled !== "boolean") return this.#abandon();
    if (!said.cancelled && !this.#done) setTimeout(() => this.cancel(), CANCEL_AGAIN_MS);
  }

  /** Ending the call's own connection says the same, and brings no receipt. */
  #abandon(): void {
    if (!this.#done) this.#request?.destroy(new Error("cancelled"));
  }

  taken(bytes: number): void {
    this.#untaken -= bytes;
    if (this.#untaken <= 0) this.#response?.resume();
  }

  #head(deadlineMicros: number) {
    const { frame, place } = this.#parts;
    const { principal, method, path, query, headers } = frame;
    return {
      ...place,
      execution: uuidText(frame.execution),
      handle: encodeHex(frame.handle),
      principal,
      method,
      path,
      query,
      deadlineMicros,
      headers,
    };
  }

  #remainingMicros(): number {
    const gone = (performance.now() - this.#openedAt) * 1_000;
    return Math.floor(this.#parts.frame.deadlineMicros - gone);
  }

  #onResponse(response: IncomingMessage): void {
    this.#response = response;
    if (response.statusCode !== 200) {
      this.#readRefusal(response).catch(() => this.#lose("runner.lost"));
      return;
    }
    const decoder = new FrameDecoder((type, flags, stream, bytes, start, end) =>
      this.#onFrame({ type, flags, stream }, bytes, start, end),
    );
    response.on("data", (chunk: Buffer) => {
      try {
        decoder.push(chunk);
      } catch {
        response.destroy(); // what does not decode comes from no runner of ours
      }
    });
    response.on("error", () => {}); // "close" follows
    response.on("close", () => this.#lose("runner.lost"));
  }

  #onFrame(
    { type, flags, stream }: { type: FrameType; flags: number; stream: number },
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { sink } = this.#parts;
    if (this.#done) return;
    if (stream !== EXECUTE_STREAM) this.#response?.destroy();
    else if (type === frameTypes.response)
      sink.onResponse(readResponse(bytes, start, end), (flags & FLAG_LAST) !== 0);
    else if (type === frameTypes.data) this.#onData(bytes, start, end);
    else if (type === frameTypes.end) sink.onEnd();
    else if (type === frameTypes.result) this.#end(readResult(bytes, start, end));
    else this.#response?.destroy();
  }

  #onData(bytes: Buffer, start: number, end: number): void {
    this.#untaken += end - start;
    if (this.#parts.sink.onData(bytes, start, end)) this.#untaken -= end - start;
    else this.#response?.pause();
  }

  async #readRefusal(response: IncomingMessage): Promise<void> {
    const body = await readBounded(response, MAX_REFUSAL_BYTES);
    const said = JSON.parse(body?.toString("utf8") ?? "null") as { code?: unknown } | null;
    const code = typeof said?.code === "string" ? said.code : "";
    // What says that this gateway may not call, or not now, is the runner's absence for the client.
    if (!isErrorCode(code) || code.startsWith("auth.")) this.#lose("runner.lost");
    else if (code === "execute.handle") this.#finish("refused", "handle.unknown");
    else if (code.startsWith("execute.") || code === "runner.lost") this.#lose(code);
    else if (code === "call.halted") this.#finish("cancelled", code);
    else this.#finish("refused", code);
  }

  #onLate(): void {
    if (this.#request === null) this.#finish("deadline", "deadline.exceeded");
    else this.#request.destroy(new Error("no answer"));
  }

  #lose(code: string): void {
    if (this.#done) return;
    this.#finish("lost", code);
    this.#parts.onLost();
  }

  #finish(outcome: CallOutcome, code: string): void {
    this.#end({ outcome, rung: 0, code, denied: null, usage: NO_USAGE });
  }

  #end(result: CallResult): void {
    if (this.#done) return;
    this.#done = true;
    clearTimeout(this.#timer);
    this.#parts.held.bytes -= this.#held;
    this.#chunks = [];
    this.#parts.sink.onResult(result);
  }
}
