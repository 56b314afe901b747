import type { IncomingMessage, ServerResponse } from "node:http";
import { errors, limits } from "#contract";
import type {
  CallResult,
  ErrorCode,
  ExecutionOutcome,
  HeaderList,
  ResponseFrame,
  SnapshotKey,
} from "#contract";
import { newIdBytes } from "#platform";
import type { CallSink, ExecutionRecord, OpenCall, SandboxPort } from "./gateway-types.ts";
import { refuse } from "./gateway-server.ts";
import { requestHeaders, responseHeaders } from "./headers.ts";
import { callEnd } from "./outcome.ts";
import { NO_USAGE } from "./sandbox-client.ts";
import type { Written } from "#link";
import type { ExtensionTarget } from "./request-target.ts";
import type { RoutedInstall, RouteMatch } from "./routes.ts";
import { leave } from "./slots.ts";

/** Both forms of one id. */
interface RequestId {
  readonly bytes: Buffer;
  readonly text: string;
}

export interface CallParts {
  readonly id: RequestId;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly noBody: boolean;
  readonly target: ExtensionTarget;
  readonly key: SnapshotKey;
  /** Entered: the call leaves its place when it ends. */
  readonly install: RoutedInstall;
  readonly route: RouteMatch;
  readonly record: (record: ExecutionRecord, answer: Written) => void;
  readonly deadlineMs: number;
}

/** One call from its request to its record. The sandbox has already held back a response whose call did not end well. */
export class ExtensionCall implements CallSink, Written {
  readonly #parts: CallParts;
  readonly #execution = newIdBytes();
  readonly #openedAt = Date.now();
  #call: OpenCall | null = null;
  #received = 0;
  #refusal: ErrorCode | null = null;
  #status = 0;
  #ended = false;
  #final: ErrorCode | "" = "";
  /** The head of the answer until its body's first chunk is followed by something. */
  #head: OutgoingHead | null = null;
  /** A short one as Latin-1, which keeps every byte: Node joins head and body to one piece then, while two pieces cost a system call that gathers them. */
  #first: string | Buffer | null = null;

  constructor(parts: CallParts) {
    this.#parts = parts;
  }

  open(sandbox: SandboxPort): void {
    const { request, response, noBody, target, key, install, route, id, deadlineMs } = this.#parts;
    const headers: HeaderList = [["x-request-id", id.text], ...requestHeaders(request.rawHeaders)];
    try {
      this.#call = sandbox.call(
        {
          execution: this.#execution,
          handle: install.handleBytes,
          deadlineMicros: deadlineMs * 1_000,
          memoryBytes: 0,
          responseBytes: 0,
          principal: key.id,
          method: request.method ?? "",
          path: target.path,
          query: target.query,
          params: route.params,
          headers,
        },
        noBody,
        this,
        { tenant: install.tenant, install: install.id, extension: install.extension },
      );
    } catch {
      // What the frame's own bounds refuse is malformed here.
      return this.#finish("request.malformed", "refused", NOTHING_USED);
    }
    response.on("close", () => this.#onClientGone());
    if (!noBody) this.#pipeBody(request);
  }

  #pipeBody(request: IncomingMessage): void {
    request.on("data", (chunk: Buffer) => {
      this.#received += chunk.length;
      if (this.#received > limits.bodyBytes.value) return this.#stop("request.too_large");
      if (this.#call?.write(chunk) === false) request.pause();
    });
    request.on("end", () => this.#call?.end());
  }

  #stop(code: ErrorCode): void {
    if (this.#refusal !== null) return;
    this.#refusal = code;
    this.#call?.cancel("client");
  }

  #onClientGone(): void {
    if (!this.#ended) this.#call?.cancel("client");
  }

  onWritable(): void {
    this.#parts.request.resume();
  }

  onResponse(frame: ResponseFrame, noBody: boolean): void {
    const headers = responseHeaders(frame.headers);
    if (headers === null || !mayCarry(frame, noBody)) return this.#stop("guest.response");
    headers.push("x-request-id", this.#parts.id.text);
    this.#status = frame.status;
    this.#head = { status: frame.status, headers, noBody };
  }

  onData(bytes: Buffer, start: number, end: number): boolean {
    if (this.#refusal !== null || this.#status === 0) return true;
    // Nearly every body is one chunk: head, length and body then leave in one write.
    if (this.#head !== null && this.#first === null) {
      this.#first =
        end - start <= JOINED_BYTES
          ? bytes.toString("latin1", start, end)
          : copy(bytes, start, end);
      return true;
    }
    this.#sendHead();
    const { response } = this.#parts;
    if (response.write(copy(bytes, start, end))) return true;
    response.once("drain", () => this.#call?.taken(end - start));
    return false;
  }

  #sendHead(): void {
    if (this.#head === null) return;
    const { response } = this.#parts;
    response.writeHead(this.#head.status, this.#head.headers);
    if (this.#first !== null) response.write(this.#first, "latin1");
    this.#head = null;
    this.#first = null;
  }

  onEnd(): void {
    // The last bytes wait for the record (see onWritten).
  }

  #sendRest(): void {
    const { response } = this.#parts;
    if (this.#head?.noBody === true)
      response.writeHead(this.#head.status, this.#head.headers).end();
    else if (this.#head !== null) {
      const body = this.#first ?? "";
      this.#head.headers.push("content-length", String(body.length));
      response.writeHead(this.#head.status, this.#head.headers);
      response.end(body, "latin1");
    } else response.end();
    this.#head = null;
    this.#first = null;
  }

  onResult(result: CallResult): void {
    const { code, outcome } = callEnd(result);
    const final = this.#refusal ?? code;
    // The record keeps the sandbox's own, finer code: which limit or trap it was.
    const recorded = this.#refusal ?? (result.code === "" ? code : result.code);
    this.#finish(final, this.#refusal === null ? outcome : "refused", result, recorded);
  }

  #finish(
    code: ErrorCode | "",
    outcome: ExecutionOutcome,
    used: Used,
    recorded: string = code,
  ): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#final = code;
    leave(this.#parts.install.place);
    if (code !== "" && !this.#parts.response.headersSent) this.#status = errors[code].http;
    this.#record(recorded, outcome, used);
  }

  /** The record is written, so the answer may be told: kill -9 loses none whose record is lost. kept: false on a full disk. */
  onWritten(kept: boolean): void {
    const { request, response, id } = this.#parts;
    const code = kept ? this.#final : "policy.unavailable";
    if (code === "" && this.#status !== 0) this.#sendRest();
    else if (code !== "" && !response.headersSent) refuse(request, response, id.text, code);
    else if (!response.writableEnded) response.destroy(); // half an answer is no answer
  }

  #record(code: string, outcome: ExecutionOutcome, { usage, denied, rung }: Used): void {
    const { id, key, route } = this.#parts;
    const record = {
      context: route.contextOf(key),
      id: this.#execution,
      requestId: id.bytes,
      outcome,
      code,
      status: this.#status,
      openedAt: this.#openedAt,
      closedAt: Date.now(),
      usage,
      denied,
      rung,
    };
    this.#parts.record(record, this);
  }
}

type Used = Pick<CallResult, "usage" | "denied" | "rung">;

const NOTHING_USED: Used = { usage: NO_USAGE, denied: null, rung: 0 };

interface OutgoingHead {
  readonly status: number;
  readonly headers: string[];
  /** 204, HEAD and the like: neither a length nor a body follows. */
  readonly noBody: boolean;
}

/** The bytes lie in the buffer of the next read. */
function copy(bytes: Buffer, start: number, end: number): Buffer {
  return Buffer.from(bytes.subarray(start, end));
}

const JOINED_BYTES = 16 * 1_024;
const BODILESS = new Set([204, 304]);

function mayCarry({ status }: ResponseFrame, noBody: boolean): boolean {
  return noBody || !BODILESS.has(status);
}
