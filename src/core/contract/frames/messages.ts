import { FrameError } from "./frame-error.ts";
import {
  FLAG_ANSWER,
  FLAG_LAST,
  frameBounds as bounds,
  frameTypes,
  MAX_PAYLOAD_BYTES,
} from "./frames.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { outsideCapability, outsideNumbers } from "./outside-capability.ts";
import type { OutsideCapability } from "./outside-capability.ts";
import { PayloadReader } from "./payload-reader.ts";

export type HeaderList = readonly (readonly [name: string, value: string])[];

/** proof: 32 bytes, the boot secret towards the sandbox, the engine fingerprint in its answer. */
export interface HelloFrame {
  readonly version: number;
  readonly maxFrame: number;
  readonly credit: number;
  readonly proof: Uint8Array;
  /** Answer only. Bits: 1 landlock, 2 seccomp, 4 no_new_privs, 8 undumpable. */
  readonly lockdown: number;
  readonly wit: readonly string[];
}

export function readHello(payload: Uint8Array, flags: number): HelloFrame {
  const r = new PayloadReader(payload);
  const head = { version: r.u16(), maxFrame: r.u32(), credit: r.u32(), proof: r.bytes(32) };
  const answer = (flags & FLAG_ANSWER) !== 0;
  const lockdown = answer ? r.u8() : 0;
  const wit = answer
    ? Array.from({ length: r.u8(bounds.witVersions) }, () => r.str8(bounds.codeBytes))
    : [];
  r.end();
  return { ...head, lockdown, wit };
}

export function writeHello(w: FrameWriter, hello: HelloFrame, flags: number): void {
  w.begin(frameTypes.hello, flags, 0);
  w.u16(hello.version);
  w.u32(hello.maxFrame);
  w.u32(hello.credit);
  w.bytes(hello.proof);
  if ((flags & FLAG_ANSWER) !== 0) {
    w.u8(hello.lockdown);
    w.u8(hello.wit.length);
    for (const version of hello.wit) w.str8(version, bounds.codeBytes);
  }
  w.finish();
}

/** execution, handle: 16 bytes each. memoryBytes, responseBytes: 0 keeps the grant's, else only shrinks. */
export interface OpenFrame {
  readonly execution: Uint8Array;
  readonly handle: Uint8Array;
  readonly deadlineMicros: number;
  readonly memoryBytes: number;
  readonly responseBytes: number;
  readonly principal: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly params: HeaderList;
  /** In the order received, names in lower case, repeated names kept. */
  readonly headers: HeaderList;
}

export function readOpen(payload: Uint8Array): OpenFrame {
  const r = new PayloadReader(payload);
  const open = {
    execution: r.bytes(16),
    handle: r.bytes(16),
    deadlineMicros: r.u64(bounds.deadlineMicros),
    memoryBytes: r.u32(),
    responseBytes: r.u32(),
    principal: r.str16(bounds.principalBytes),
    method: r.str8(bounds.methodBytes),
    path: r.str16(bounds.pathBytes),
    query: r.str16(bounds.queryBytes),
    params: Array.from(
      { length: r.u8(bounds.params) },
      () => [r.str8(bounds.paramNameBytes), r.str16(bounds.paramValueBytes)] as const,
    ),
    headers: readHeaders(r),
  };
  r.end();
  return open;
}

export function writeOpen(w: FrameWriter, stream: number, open: OpenFrame, noBody: boolean): void {
  w.begin(frameTypes.open, noBody ? FLAG_LAST : 0, stream);
  w.bytes(open.execution);
  w.bytes(open.handle);
  w.u64(open.deadlineMicros);
  w.u32(open.memoryBytes);
  w.u32(open.responseBytes);
  w.str16(open.principal, bounds.principalBytes);
  w.str8(open.method, bounds.methodBytes);
  w.str16(open.path, bounds.pathBytes);
  w.str16(open.query, bounds.queryBytes);
  if (open.params.length > bounds.params) refuse(w, "too many params");
  w.u8(open.params.length);
  for (const [name, value] of open.params) {
    w.str8(name, bounds.paramNameBytes);
    w.str16(value, bounds.paramValueBytes);
  }
  writeHeaders(w, open.headers);
  w.finish();
}

export function readHeaders(r: PayloadReader): HeaderList {
  const headers: (readonly [string, string])[] = [];
  let left: number = bounds.headerBytes;
  for (let count = r.u8(bounds.headers); count > 0; count--) {
    const nameAt = r.at + 1;
    const name = r.str8(Math.min(left, bounds.headerNameBytes));
    const valueAt = r.at + 2;
    left -= r.at - nameAt;
    const value = r.str16(left);
    left -= r.at - valueAt;
    headers.push([name, value]);
  }
  return headers;
}

function writeHeaders(w: FrameWriter, headers: HeaderList): void {
  if (headers.length > bounds.headers) refuse(w, "too many headers");
  w.u8(headers.length);
  let left: number = bounds.headerBytes;
  for (const [name, value] of headers) {
    left -= w.str8(name, Math.min(left, bounds.headerNameBytes));
    left -= w.str16(value, left);
  }
}

function refuse(w: FrameWriter, why: string): never {
  w.abandon();
  throw new FrameError("frame.bound", `cannot write frame: ${why}`);
}

export interface ResponseFrame {
  readonly status: number;
  readonly headers: HeaderList;
}

export function readResponse(bytes: Uint8Array, start?: number, end?: number): ResponseFrame {
  const r = new PayloadReader(bytes, start, end);
  const response = { status: r.u16(200, 599), headers: readHeaders(r) };
  r.end();
  return response;
}

export function writeResponse(
  w: FrameWriter,
  stream: number,
  response: ResponseFrame,
  noBody: boolean,
): void {
  w.begin(frameTypes.response, noBody ? FLAG_LAST : 0, stream);
  w.u16(response.status);
  writeHeaders(w, response.headers);
  w.finish();
}

/** By code, from 1. */
export const callOutcomes = [
  "done",
  "refused",
  "trapped",
  "memory",
  "deadline",
  "cancelled",
  "response-invalid",
  "lost",
] as const;
export type CallOutcome = (typeof callOutcomes)[number];

export interface CallUsage {
  readonly wallUs: number;
  readonly queueUs: number;
  readonly cpuUs: number;
  readonly peakMemoryBytes: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly logBytes: number;
  readonly logLines: number;
  readonly droppedLogLines: number;
  readonly capabilityCalls: number;
  readonly egressRequests: number;
  readonly egressInBytes: number;
  readonly egressOutBytes: number;
  /** 0 where the sandbox's class counts none. */
  readonly fuel: number;
}

/** rung: the step of the kill ladder that ended the call, 0 when none did. code: empty for `done`. */
export interface CallResult {
  readonly outcome: CallOutcome;
  readonly rung: number;
  readonly code: string;
  /** The capability that was denied first. */
  readonly denied: OutsideCapability | null;
  readonly usage: CallUsage;
}

export function readResult(bytes: Uint8Array, start?: number, end?: number): CallResult {
  const r = new PayloadReader(bytes, start, end);
  const outcome = callOutcomes[r.u8() - 1];
  if (outcome === undefined)
    throw new FrameError("frame.bound", "cannot read frame: unknown outcome");
  const [rung, code, denied] = [r.u8(4), r.str8(bounds.codeBytes), r.u32()];
  const result = {
    outcome,
    rung,
    code,
    denied: denied === 0 ? null : outsideCapability(denied),
    usage: {
      wallUs: r.u64(),
      queueUs: r.u64(),
      cpuUs: r.u64(),
      peakMemoryBytes: r.u64(),
      bytesIn: r.u64(),
      bytesOut: r.u64(),
      logBytes: r.u32(),
      logLines: r.u32(),
      droppedLogLines: r.u32(),
      capabilityCalls: r.u32(),
      egressRequests: r.u32(),
      egressInBytes: r.u64(),
      egressOutBytes: r.u64(),
      fuel: r.u64(),
    },
  };
  r.end();
  return result;
}

export function writeResult(w: FrameWriter, stream: number, result: CallResult): void {
  const u = result.usage;
  w.begin(frameTypes.result, 0, stream);
  w.u8(callOutcomes.indexOf(result.outcome) + 1);
  w.u8(result.rung);
  w.str8(result.code, bounds.codeBytes);
  w.u32(result.denied === null ? 0 : outsideNumbers[result.denied]);
  for (const value of [u.wallUs, u.queueUs, u.cpuUs, u.peakMemoryBytes, u.bytesIn, u.bytesOut])
    w.u64(value);
  for (const value of [u.logBytes, u.logLines, u.droppedLogLines]) w.u32(value);
  for (const value of [u.capabilityCalls, u.egressRequests]) w.u32(value);
  for (const value of [u.egressInBytes, u.egressOutBytes, u.fuel]) w.u64(value);
  w.finish();
}

const cancelReasons = { client: 1, deadline: 2, halt: 3 } as const;
export type CancelReason = keyof typeof cancelReasons;

export function readCancel(payload: Uint8Array): CancelReason {
  const r = new PayloadReader(payload);
  const code = r.u8();
  r.end();
  if (code === 1) return "client";
  if (code === 2) return "deadline";
  if (code === 3) return "halt";
  throw new FrameError("frame.bound", "cannot read frame: unknown reason to cancel");
}

export function writeCancel(w: FrameWriter, stream: number, reason: CancelReason): void {
  w.begin(frameTypes.cancel, 0, stream);
  w.u8(cancelReasons[reason]);
  w.finish();
}

export function readCredit(payload: Uint8Array): number {
  const r = new PayloadReader(payload);
  const bytes = r.u32(1, 0x7fff_ffff);
  r.end();
  return bytes;
}

export function writeCredit(w: FrameWriter, stream: number, bytes: number): void {
  w.begin(frameTypes.credit, 0, stream);
  w.u32(bytes);
  w.finish();
}

/** bytes: at most one payload; callers cut bodies into DATA_CHUNK_BYTES. */
export function writeData(w: FrameWriter, stream: number, bytes: Uint8Array): void {
  if (bytes.length > MAX_PAYLOAD_BYTES)
    throw new FrameError("frame.length", "cannot write frame: DATA over one payload");
  w.begin(frameTypes.data, 0, stream);
  w.bytes(bytes);
  w.finish();
}

export function writeEmpty(
  w: FrameWriter,
  type: "end" | "drain" | "unload" | "done",
  stream: number,
): void {
  w.begin(frameTypes[type], 0, stream);
  w.finish();
}

export function writeNonce(w: FrameWriter, type: "ping" | "pong", nonce: Uint8Array): void {
  w.begin(frameTypes[type], 0, 0);
  w.bytes(nonce);
  w.finish();
}

export function readNonce(payload: Uint8Array): Uint8Array {
  const r = new PayloadReader(payload);
  const nonce = r.bytes(8);
  r.end();
  return nonce;
}

export function readEmpty(payload: Uint8Array): void {
  new PayloadReader(payload).end();
}
