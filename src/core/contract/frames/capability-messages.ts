import { frameBounds as bounds, frameTypes } from "./frames.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { readHeaders } from "./messages.ts";
import type { HeaderList } from "./messages.ts";
import { outsideCapability, outsideNumbers } from "./outside-capability.ts";
import type { OutsideCapability } from "./outside-capability.ts";
import { PayloadReader } from "./payload-reader.ts";

/** Opens a capability call; DATA frames with the argument and END follow. */
export interface CapabilityCall {
  /** 16 bytes each. */
  readonly execution: Uint8Array;
  readonly handle: Uint8Array;
  readonly capability: OutsideCapability;
  /** What is left of the call. */
  readonly deadlineMicros: number;
  /** Of the argument. */
  readonly size: number;
}

export function readCapabilityCall(payload: Uint8Array): CapabilityCall {
  const r = new PayloadReader(payload);
  const call = {
    execution: r.bytes(16),
    handle: r.bytes(16),
    capability: outsideCapability(r.u32()),
    deadlineMicros: r.u64(bounds.deadlineMicros),
    size: r.u32(0, bounds.argumentBytes),
  };
  r.end();
  return call;
}

export function writeCapabilityCall(w: FrameWriter, stream: number, call: CapabilityCall): void {
  w.begin(frameTypes.call, 0, stream);
  w.bytes(call.execution);
  w.bytes(call.handle);
  w.u32(outsideNumbers[call.capability]);
  w.u64(call.deadlineMicros);
  w.u32(call.size);
  w.finish();
}

export function readReply(payload: Uint8Array): number {
  const r = new PayloadReader(payload);
  const size = r.u32(0, bounds.argumentBytes);
  r.end();
  return size;
}

export function writeReply(w: FrameWriter, stream: number, size: number): void {
  w.begin(frameTypes.reply, 0, stream);
  w.u32(size);
  w.finish();
}

/** The argument of `http.fetch`. All of it is attacker-controlled. */
export interface FetchRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
}

export function readFetchRequest(argument: Uint8Array): FetchRequest {
  const r = new PayloadReader(argument);
  return {
    method: r.str8(bounds.methodBytes),
    url: r.str16(bounds.urlBytes),
    headers: readHeaders(r),
    body: r.rest(bounds.capabilityBytes),
  };
}

export const callFailures = ["denied", "budget", "failed", "timed-out", "too-large"] as const;
export type CallFailure = (typeof callFailures)[number];

/** The reply of `http.fetch`: an answer, or why there is none. */
export type FetchReply =
  | {
      readonly failure: null;
      readonly status: number;
      readonly headers: HeaderList;
      readonly body: Uint8Array;
    }
  | { readonly failure: CallFailure; readonly message: string };

/** Why a reply is a denial; null for every other one. reply: of the broker. */
export function denialOf(reply: Uint8Array): string | null {
  if (reply[0] !== callFailures.indexOf("denied") + 1) return null;
  return new PayloadReader(reply.subarray(1)).str16(bounds.messageBytes);
}

/** A reply that is no answer: of every capability the same. */
export function failureBytes(failure: CallFailure, message: string): Uint8Array {
  return failureReply(callFailures.indexOf(failure) + 1, message);
}

/** u8 number, str16 message. */
export function failureReply(number: number, message: string): Buffer {
  const text = Buffer.from(message.slice(0, 300));
  const head = Buffer.of(number, 0, 0);
  head.writeUInt16LE(text.length, 1);
  return Buffer.concat([head, text]);
}

const HEADER_ROOM = 32_768;

/** Bytes of a reply, as the sandbox reads them. The caller keeps headers and body within their bounds. */
export function fetchReplyBytes(reply: FetchReply): Uint8Array {
  if (reply.failure !== null) return failureBytes(reply.failure, reply.message);
  const head = Buffer.allocUnsafe(HEADER_ROOM);
  head[0] = 0;
  head.writeUInt16LE(reply.status, 1);
  head[3] = reply.headers.length;
  let at = 4;
  for (const [name, value] of reply.headers) {
    head[at] = Buffer.byteLength(name);
    at += 1 + head.write(name, at + 1);
    head.writeUInt16LE(Buffer.byteLength(value), at);
    at += 2 + head.write(value, at + 2);
  }
  return Buffer.concat([head.subarray(0, at), reply.body]);
}
