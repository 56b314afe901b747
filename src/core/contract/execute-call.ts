import { decodeHex, ObjectReader, parseStrictJson } from "#trust";
import type { JsonValue } from "#trust";
import { frameBounds } from "./frames/frames.ts";
import type { HeaderList } from "./frames/messages.ts";
import { limits } from "./limits.ts";

/** What a call to a runner elsewhere says before its body (docs/contract.md). */
export interface ExecuteHead {
  /** UUID: names the call in its record, its log lines and its cancellation. */
  readonly execution: string;
  readonly tenant: string;
  readonly install: string;
  readonly extension: string;
  /** 32 hex digits, of the grant that serves the install. */
  readonly handle: string;
  readonly principal: string;
  readonly method: string;
  /** Decoded, as the guest gets it. */
  readonly path: string;
  readonly query: string;
  readonly deadlineMicros: number;
  readonly headers: HeaderList;
}

export const EXECUTE_PATH = "/v1/execute";
export const EXECUTE_CANCEL_PATH = "/v1/execute/cancel";
export const EXECUTE_TYPE = "application/vnd.caisson.execute.v1";
/** The answer: RESPONSE, DATA, END and RESULT frames, as a sandbox sends them. */
export const EXECUTE_ANSWER_TYPE = "application/vnd.caisson.frames.v1";
/** Stream of those frames. */
export const EXECUTE_STREAM = 1;

const LENGTH_BYTES = 4;
export const MAX_EXECUTE_BYTES = LENGTH_BYTES + limits.executeHeadBytes.max + limits.bodyBytes.max;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const HANDLE = /^[0-9a-f]{32}$/;

export function executeCallBytes(head: ExecuteHead, body: Uint8Array): Buffer {
  const text = Buffer.from(JSON.stringify({ v: 1, ...head }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text, body]);
}

/** "too-large": a part is over its bound; else a TrustError where the head is not one. bytes: attacker-controlled, at most MAX_EXECUTE_BYTES. */
export function parseExecuteCall(
  bytes: Buffer,
): { readonly head: ExecuteHead; readonly body: Buffer } | "too-large" {
  const size = bytes.length < LENGTH_BYTES ? 0 : bytes.readUInt32LE(0);
  if (size > limits.executeHeadBytes.value) return "too-large"; // stops: work of a parser for whoever sends much
  const end = LENGTH_BYTES + size;
  const body = bytes.subarray(end);
  if (body.length > limits.bodyBytes.value) return "too-large";
  const head = parseStrictJson(bytes.subarray(LENGTH_BYTES, end), {
    maxBytes: limits.executeHeadBytes.value,
    maxDepth: 4,
  });
  return { head: readHead(ObjectReader.of(head, "head")), body };
}

function readHead(reader: ObjectReader): ExecuteHead {
  reader.literal("v", 1);
  const head = {
    execution: reader.string("execution", { pattern: UUID }),
    tenant: reader.string("tenant", { pattern: UUID }),
    install: reader.string("install", { pattern: UUID }),
    extension: reader.string("extension", { max: 79 }),
    handle: reader.string("handle", { pattern: HANDLE }),
    principal: reader.string("principal", { max: frameBounds.principalBytes }),
    method: reader.string("method", { max: frameBounds.methodBytes }),
    path: reader.string("path", { max: frameBounds.pathBytes, pattern: /^\// }),
    query: reader.string("query", { max: frameBounds.queryBytes }),
    deadlineMicros: reader.integer("deadlineMicros", { min: 1, max: frameBounds.deadlineMicros }),
    headers: reader.list("headers", { max: frameBounds.headers }, readHeader),
  };
  reader.end();
  return head;
}

function readHeader(value: JsonValue, path: string): readonly [string, string] {
  const reader = ObjectReader.of({ line: value }, path);
  const [name = "", text = "", ...more] = reader.strings("line", {
    maxItems: 2,
    max: frameBounds.headerBytes,
  });
  if (name === "" || more.length > 0) reader.refuse("line", "a name and a value");
  return [name, text];
}

export function cancelBytes(execution: string): Buffer {
  return Buffer.from(JSON.stringify({ execution }));
}

export const MAX_CANCEL_BYTES = 256;

/** The execution to cancel. bytes: attacker-controlled. Throws TrustError. */
export function parseCancel(bytes: Uint8Array): string {
  const reader = ObjectReader.of(parseStrictJson(bytes, { maxBytes: MAX_CANCEL_BYTES }), "cancel");
  const execution = reader.string("execution", { pattern: UUID });
  reader.end();
  return execution;
}

/** The 16 bytes of a UUID that was parsed. */
export function uuidBytes(text: string): Uint8Array {
  return decodeHex(text.replaceAll("-", ""));
}
