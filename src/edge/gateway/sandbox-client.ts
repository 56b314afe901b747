import { OpenCalls } from "./open-calls.ts";
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import {
  DATA_CHUNK_BYTES,
  FLAG_ANSWER,
  FLAG_LAST,
  FrameDecoder,
  frameTypes,
  FrameWriter,
  INITIAL_CREDIT_BYTES,
  MAX_FRAME_BYTES,
  PROTOCOL_VERSION,
  readCredit,
  readEmpty,
  readHello,
  readNonce,
  readReason,
  readResponse,
  readResult,
  writeCancel,
  writeCredit,
  writeData,
  writeEmpty,
  writeHello,
  writeNonce,
  writeOpen,
} from "#contract";
import type { CallResult, CancelReason, FrameType, OpenFrame, ResponseFrame } from "#contract";

const READ_BYTES = 2 * MAX_FRAME_BYTES;
/** Frames leave at the end of the turn, or when there are this many: the sandbox works on them while we read on. */
const EARLY_BYTES = 1_024;
const FIRST_RETRY_MS = 20;
const LAST_RETRY_MS = 2_000;
/** Past this id a connection is renewed as soon as no call is open, at the end at once. */
const RENEW_STREAM = 0xf000_0000;
const LAST_STREAM = 0xffff_fff0;
/** Taken response bytes are credited back in steps of this. */
const CREDIT_STEP_BYTES = INITIAL_CREDIT_BYTES / 4;
/** A sandbox that does come back ends its calls well before this. */
const OVERDUE_MS = 250;

/** What a call gives back, in this order: at most one response with its data, then exactly one result. */
export interface CallSink {
  /** noBody: neither onData nor onEnd follows. */
  onResponse(response: ResponseFrame, noBody: boolean): void;
  /** The chunk is what `bytes` holds from `start` to `end`, valid during the call. Returns whether it is taken already; if not, call `taken(end - start)` later. */
  onData(bytes: Buffer, start: number, end: number): boolean;
  onEnd(): void;
  /** The request body may go on after `write` returned false. */
  onWritable(): void;
  onResult(result: CallResult): void;
}

export interface SandboxClientOptions {
  readonly socketPath: string;
  /** The sandbox's boot secret, 32 bytes. */
  readonly secret: Uint8Array;
  /** Told at each change; `reason` is the code with which the sandbox closed the line, or empty. */
  readonly onState?: (state: "ready" | "down", reason: string) => void;
  /** Asked when the line is lost with calls open: the rung of the kill ladder that ended them, 0 for none. */
  readonly rungOfLoss?: () => number;
}

/**
 * A gateway's line to one sandbox: many calls on one unix socket, written once per turn of the loop. It reconnects by
 * itself; calls that were open end with outcome `lost`. Nothing here is awaited per call.
 */
export class SandboxClient implements Disposable {
  readonly #options: SandboxClientOptions;
  readonly #writer = new FrameWriter();
  readonly #calls = new OpenCalls<SandboxCall>();
  readonly #flush = (): void => this.#flushNow();
  #socket: Socket | null = null;
  #ready = false;
  /** The sandbox said that it takes no new call. */
  #draining = false;
  #retired = false;
  #disposed = false;
  #scheduled = false;
  #retryMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | null = null;
  #nextStream = 1;
  #credit = INITIAL_CREDIT_BYTES;
  #reason = "";
  #fingerprint = new Uint8Array();

  constructor(options: SandboxClientOptions) {
    this.#options = options;
    this.#connect();
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Ready, and the sandbox takes new calls. */
  get taking(): boolean {
    return this.#ready && !this.#draining;
  }

  /** Ends the line when its calls have their results; it is not made again. */
  retire(): void {
    this.#retired = true;
    if (this.#calls.count === 0) this[Symbol.dispose]();
  }

  /** Ends the calls whose deadline is over: for a sandbox that was left because it does not come back to do so itself. */
  endOverdue(): void {
    const last = Date.now() - OVERDUE_MS;
    for (const call of this.#calls.all().filter(({ deadlineAt }) => deadlineAt < last)) {
      this.#calls.remove(call);
      call.finish(OVERDUE);
    }
    if (this.#retired && this.#calls.count === 0) this[Symbol.dispose]();
  }

  /** Calls without a result yet. */
  get open(): number {
    return this.#calls.count;
  }

  /** 32 bytes, after the first handshake. */
  get fingerprint(): Uint8Array {
    return this.#fingerprint;
  }

  /**
   * Opens a call. frame.deadlineMicros: what remains, above 0. Without a line, `sink.onResult` says `lost`
   * (`runner.lost`) in the next turn. Throws FrameError "frame.bound" for a request over the frame's bounds.
   */
  call(frame: OpenFrame, noBody: boolean, sink: CallSink): SandboxCall {
    const stream = this.#calls.freeFrom(this.#nextStream);
    const call = new SandboxCall(this, stream ?? 0, sink, {
      credit: this.#credit,
      deadlineAt: Date.now() + frame.deadlineMicros / 1_000,
    });
    if (!this.#ready || stream === null) {
      setImmediate(() => call.lose(stream === null ? "runner.capacity" : "runner.lost"));
      return call;
    }
    writeOpen(this.#writer, stream, frame, noBody);
    this.#nextStream = stream + 2;
    this.#calls.add(call);
    this.schedule();
    return call;
  }

  /** For SandboxCall. */
  get writer(): FrameWriter {
    return this.#writer;
  }

  /** For SandboxCall: written after all sockets of the turn were read, or in parts where many frames come in one turn. */
  schedule(): void {
    if (this.#writer.length >= EARLY_BYTES) this.#write();
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#socket?.destroy();
  }

  #flushNow(): void {
    this.#scheduled = false;
    this.#write();
  }

  #write(): void {
    if (this.#writer.length === 0) return;
    const bytes = this.#writer.take();
    if (this.#socket !== null && !this.#socket.destroyed) this.#socket.write(bytes);
  }

  #connect(): void {
    const decoder = new FrameDecoder((type, flags, stream, bytes, start, end) =>
      this.#onFrame(type, flags, stream, bytes, start, end),
    );
    // One buffer for every read: a new one each time keeps the collector busy.
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const socket: Socket = createConnection({
      path: this.#options.socketPath,
      onread: { buffer, callback: (length) => take(socket, decoder, buffer.subarray(0, length)) },
    });
    this.#socket = socket;
    this.#reason = "";
    socket.on("connect", () => this.#greet());
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => this.#down());
  }

  #greet(): void {
    this.#writer.take(); // what was meant for the line before
    this.#nextStream = 1;
    this.#draining = false;
    writeHello(
      this.#writer,
      {
        version: PROTOCOL_VERSION,
        maxFrame: MAX_FRAME_BYTES,
        credit: INITIAL_CREDIT_BYTES,
        proof: this.#options.secret,
        lockdown: 0,
        wit: [],
      },
      0,
    );
    this.schedule();
  }

  #down(): void {
    const wasReady = this.#ready;
    this.#ready = false;
    this.#socket = null;
    const lost = this.#calls.takeAll();
    const rung = lost.length === 0 ? 0 : (this.#options.rungOfLoss?.() ?? 0);
    for (const call of lost) call.lose("runner.lost", rung);
    if (wasReady || this.#reason !== "") this.#options.onState?.("down", this.#reason);
    if (this.#disposed || this.#retired) return;
    this.#timer = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }

  #onFrame(
    type: FrameType,
    flags: number,
    stream: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const call = this.#calls.get(stream);
    switch (type) {
      case frameTypes.data:
        return call?.onData(bytes, start, end);
      case frameTypes.response:
        return call?.sink.onResponse(readResponse(bytes, start, end), (flags & FLAG_LAST) !== 0);
      case frameTypes.end:
        return call?.sink.onEnd();
      case frameTypes.result:
        return this.#onResult(call, bytes, start, end);
      case frameTypes.credit:
        return call?.onCredit(readCredit(bytes.subarray(start, end)));
      default:
        return this.#onLineFrame(type, flags, bytes.subarray(start, end));
    }
  }

  #onLineFrame(type: FrameType, flags: number, payload: Buffer): void {
    if (type === frameTypes.hello && (flags & FLAG_ANSWER) !== 0) return this.#onHello(payload);
    if (type === frameTypes.close) {
      this.#reason = readReason(payload).code;
    } else if (type === frameTypes.drain) {
      readEmpty(payload);
      this.#draining = true;
    } else if (type === frameTypes.ping) {
      writeNonce(this.#writer, "pong", readNonce(payload));
      this.schedule();
    } else if (type !== frameTypes.pong) this.#socket?.destroy();
  }

  #onHello(payload: Buffer): void {
    const hello = readHello(payload, FLAG_ANSWER);
    if (hello.version !== PROTOCOL_VERSION) {
      this.#socket?.destroy();
      return;
    }
    this.#credit = hello.credit;
    this.#fingerprint = Uint8Array.from(hello.proof);
    this.#ready = true;
    this.#retryMs = FIRST_RETRY_MS;
    this.#options.onState?.("ready", "");
  }

  #onResult(call: SandboxCall | undefined, bytes: Buffer, start: number, end: number): void {
    if (call === undefined) return;
    this.#calls.remove(call);
    call.finish(readResult(bytes, start, end));
    const idle = this.#calls.count === 0 && this.#nextStream > RENEW_STREAM;
    if (idle || this.#nextStream > LAST_STREAM) this.#socket?.destroy();
    if (this.#retired && this.#calls.count === 0) this[Symbol.dispose]();
  }
}

function take(socket: Socket, decoder: FrameDecoder, bytes: Buffer): true {
  try {
    decoder.push(bytes);
  } catch {
    socket.destroy(); // a frame that does not decode: the other side is not a sandbox of ours
  }
  return true;
}

interface CallStart {
  /** Body bytes that may be sent at once. */
  readonly credit: number;
  readonly deadlineAt: number;
}

/** One call on its way. Every method is harmless after the result. */
export class SandboxCall {
  readonly sink: CallSink;
  readonly stream: number;
  /** Unix ms. */
  readonly deadlineAt: number;
  readonly #client: SandboxClient;
  #credit: number;
  #waiting: Uint8Array[] = NONE;
  #ending = false;
  #ended = false;
  #taken = 0;
  #done = false;

  constructor(client: SandboxClient, stream: number, sink: CallSink, start: CallStart) {
    this.#client = client;
    this.stream = stream;
    this.sink = sink;
    this.#credit = start.credit;
    this.deadlineAt = start.deadlineAt;
  }

  /** Sends body bytes as far as the credit goes and keeps the rest; false: wait for `onWritable`. */
  write(chunk: Uint8Array): boolean {
    if (this.#done) return true;
    if (this.#waiting === NONE) this.#waiting = [];
    this.#waiting.push(chunk);
    return this.#pump();
  }

  /** The request body ends; needed unless the call was opened without one. */
  end(): void {
    if (this.#done || this.#ending) return;
    this.#ending = true;
    this.#pump();
  }

  /** The result follows nevertheless. */
  cancel(reason: CancelReason): void {
    if (this.#done) return;
    writeCancel(this.#client.writer, this.stream, reason);
    this.#client.schedule();
  }

  /** Response bytes have left towards the client. */
  taken(bytes: number): void {
    this.#taken += bytes;
    if (this.#done || this.#taken < CREDIT_STEP_BYTES) return;
    writeCredit(this.#client.writer, this.stream, this.#taken);
    this.#taken = 0;
    this.#client.schedule();
  }

  /** For SandboxClient. */
  onData(bytes: Buffer, start: number, end: number): void {
    if (this.sink.onData(bytes, start, end)) this.taken(end - start);
  }

  /** For SandboxClient. */
  onCredit(bytes: number): void {
    const waited = this.#waiting.length > 0;
    this.#credit += bytes;
    if (this.#pump() && waited && !this.#ending) this.sink.onWritable();
  }

  /** For SandboxClient. */
  finish(result: CallResult): void {
    this.#done = true;
    this.#waiting = NONE;
    this.sink.onResult(result);
  }

  /** For SandboxClient: the line is gone. */
  lose(code: string, rung = 0): void {
    if (!this.#done) this.finish({ outcome: "lost", rung, code, denied: null, usage: NO_USAGE });
  }

  #pump(): boolean {
    const writer = this.#client.writer;
    let first = this.#waiting[0];
    while (first !== undefined && this.#credit > 0) {
      const size = Math.min(first.length, DATA_CHUNK_BYTES, this.#credit);
      if (size > 0) writeData(writer, this.stream, first.subarray(0, size));
      this.#credit -= size;
      if (size === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(size);
      first = this.#waiting[0];
    }
    const sent = this.#waiting.length === 0;
    if (sent && this.#ending && !this.#ended) {
      this.#ended = true;
      writeEmpty(writer, "end", this.stream);
    }
    this.#client.schedule();
    return sent;
  }
}

/** Of a call without a body; nothing is ever added to it. */
const NONE: Uint8Array[] = [];

/** Of a call that no sandbox ran, or none told of. */
export const NO_USAGE = {
  wallUs: 0,
  queueUs: 0,
  cpuUs: 0,
  peakMemoryBytes: 0,
  bytesIn: 0,
  bytesOut: 0,
  logBytes: 0,
  logLines: 0,
  droppedLogLines: 0,
  capabilityCalls: 0,
  egressRequests: 0,
  egressInBytes: 0,
  egressOutBytes: 0,
  fuel: 0,
} as const;

/** Of a call whose sandbox was left by rung 3, and did not end it at its deadline. */
const OVERDUE: CallResult = {
  outcome: "deadline",
  rung: 3,
  code: "deadline.exceeded",
  denied: null,
  usage: NO_USAGE,
};
