import type { ServerResponse } from "node:http";
import { decodeHex } from "#trust";
import {
  EXECUTE_ANSWER_TYPE,
  EXECUTE_STREAM,
  uuidBytes,
  writeData,
  writeEmpty,
  writeResponse,
  writeResult,
} from "#contract";
import type {
  CallResult,
  ErrorCode,
  ExecuteHead,
  ExecutionRecord,
  FrameWriter,
  HeaderList,
  ResponseFrame,
  SnapshotKey,
} from "#contract";
import { callEnd, requestHeaders } from "#gateway";
import type { CallSink, OpenCall, RouteMatch, SandboxPort } from "#gateway";
import type { Written } from "#link";
import type { Caller } from "./admission.ts";

export interface ExecuteCallParts {
  readonly caller: Caller;
  readonly id: string;
  readonly head: ExecuteHead;
  readonly body: Buffer;
  readonly route: RouteMatch;
  readonly response: ServerResponse;
  /** Shared by all calls: what is written is taken at once. */
  readonly writer: FrameWriter;
  /** Null: a gateway keeps the record. */
  readonly record: ((record: ExecutionRecord, answer: Written) => void) | null;
  readonly onEnd: (code: ErrorCode | "ok") => void;
}

/** One admitted call: the sandbox's own frames are its answer. */
export class ExecuteCall implements CallSink, Written {
  readonly #parts: ExecuteCallParts;
  readonly #openedAt = Date.now();
  #call: OpenCall | null = null;
  #status = 0;
  #result: CallResult | null = null;

  constructor(parts: ExecuteCallParts) {
    this.#parts = parts;
  }

  /** False: a part of the head is over the frame's own bounds, and nothing was opened. */
  open(sandbox: SandboxPort): boolean {
    const { head, body, route, response, caller, id } = this.#parts;
    try {
      this.#call = sandbox.call(
        {
          execution: uuidBytes(head.execution),
          handle: decodeHex(head.handle),
          deadlineMicros: head.deadlineMicros,
          memoryBytes: 0,
          responseBytes: 0,
          principal: caller.kind === "operator" ? caller.id : head.principal,
          method: head.method,
          path: head.path,
          query: head.query,
          params: route.params,
          headers: caller.kind === "operator" ? ownHeaders(head.headers, id) : head.headers,
        },
        body.length === 0,
        this,
        head,
      );
    } catch {
      return false;
    }
    response.on("close", () => this.#onGone());
    response.writeHead(200, {
      "content-type": EXECUTE_ANSWER_TYPE,
      "cache-control": "no-store",
      "x-request-id": id,
    });
    if (body.length > 0) {
      this.#call.write(body);
      this.#call.end();
    }
    return true;
  }

  cancel(): void {
    this.#call?.cancel("client");
  }

  onWritable(): void {
    // The whole body was given already; the line keeps what waits for credit.
  }

  onResponse(frame: ResponseFrame, noBody: boolean): void {
    this.#status = frame.status;
    writeResponse(this.#parts.writer, EXECUTE_STREAM, frame, noBody);
    this.#flush();
  }

  onData(bytes: Buffer, start: number, end: number): boolean {
    writeData(this.#parts.writer, EXECUTE_STREAM, bytes.subarray(start, end));
    if (this.#flush()) return true;
    this.#parts.response.once("drain", () => this.#call?.taken(end - start));
    return false;
  }

  onEnd(): void {
    writeEmpty(this.#parts.writer, "end", EXECUTE_STREAM);
    this.#flush();
  }

  onResult(result: CallResult): void {
    this.#result = result;
    const { code } = callEnd(result);
    this.#parts.onEnd(code === "" ? "ok" : code);
    if (this.#parts.record === null) return this.onWritten(true);
    this.#parts.record(this.#recordOf(result), this);
  }

  /** The record is written, so the answer may end. kept: false on a full disk. */
  onWritten(kept: boolean): void {
    const { response, writer } = this.#parts;
    if (this.#result === null || response.destroyed) return;
    const result = kept ? this.#result : { ...this.#result, ...LOST };
    writeResult(writer, EXECUTE_STREAM, result);
    response.end(writer.take());
  }

  #onGone(): void {
    if (this.#result === null) this.cancel();
  }

  #flush(): boolean {
    return this.#parts.response.write(this.#parts.writer.take());
  }

  #recordOf(result: CallResult): ExecutionRecord {
    const { caller, head, id, route } = this.#parts;
    const { code, outcome } = callEnd(result);
    return {
      context: { ...route.contextOf(NO_KEY), principalId: caller.id },
      id: uuidBytes(head.execution),
      requestId: uuidBytes(id),
      outcome,
      code: result.code === "" ? code : result.code,
      status: this.#status,
      openedAt: this.#openedAt,
      closedAt: Date.now(),
      usage: result.usage,
      denied: result.denied,
      rung: result.rung,
    };
  }
}

const LOST = { outcome: "lost", code: "policy.unavailable" } as const;

/** One object: contexts are remembered by it. */
const NO_KEY: SnapshotKey = { id: "", tenant: "", hash: "", call: false };

/** What a gateway would let through of them, under this call's own id. */
function ownHeaders(headers: HeaderList, id: string): HeaderList {
  return [["x-request-id", id], ...requestHeaders(headers.flat())];
}
