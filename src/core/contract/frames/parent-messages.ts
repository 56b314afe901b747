import { FrameError } from "./frame-error.ts";
import { FLAG_ANSWER, frameBounds as bounds, frameTypes } from "./frames.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { PayloadReader } from "./payload-reader.ts";

/** Capabilities a component may import, as bits of LOADED and GRANT. */
export const capabilityBits = {
  log: 1,
  "http.fetch": 2,
  "storage.kv": 4,
  config: 8,
  metrics: 16,
} as const;
const ALL_CAPABILITIES = 31;
const MIB = 1_048_576;

export interface LoadFrame {
  readonly sha256: Uint8Array;
  readonly size: number;
}

export function readLoad(payload: Uint8Array): LoadFrame {
  const r = new PayloadReader(payload);
  const load = { sha256: r.bytes(32), size: r.u64(bounds.cwasmBytes) };
  r.end();
  if (load.size === 0) throw new FrameError("frame.bound", "cannot read frame: LOAD of no bytes");
  return load;
}

export function writeLoad(w: FrameWriter, stream: number, load: LoadFrame): void {
  w.begin(frameTypes.load, 0, stream);
  w.bytes(load.sha256);
  w.u64(load.size);
  w.finish();
}

export function readLoaded(payload: Uint8Array): number {
  const r = new PayloadReader(payload);
  const capabilities = r.u32();
  r.end();
  return capabilities;
}

export function writeLoaded(w: FrameWriter, stream: number, capabilities: number): void {
  w.begin(frameTypes.loaded, 0, stream);
  w.u32(capabilities);
  w.finish();
}

/** Of REFUSED and CLOSE. */
export interface ReasonFrame {
  readonly code: string;
  readonly message: string;
}

export function readReason(payload: Uint8Array): ReasonFrame {
  const r = new PayloadReader(payload);
  const reason = { code: r.str8(bounds.codeBytes), message: r.str16(bounds.messageBytes) };
  r.end();
  return reason;
}

export function writeReason(
  w: FrameWriter,
  type: "refused" | "close",
  stream: number,
  reason: ReasonFrame,
): void {
  w.begin(frameTypes[type], 0, stream);
  w.str8(reason.code, bounds.codeBytes);
  w.str16(reason.message, bounds.messageBytes);
  w.finish();
}

/** What a sandbox enforces under one handle. Bounds stand in `readGrant`. */
export interface GrantFrame {
  readonly handle: Uint8Array;
  /** 8 bytes, equal for equal tenants (see `tenantKey`): tenants share a sandbox in turns. */
  readonly tenant: Uint8Array;
  readonly load: number;
  readonly capabilities: number;
  readonly memoryBytes: number;
  readonly deadlineMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly logBytes: number;
  readonly logLines: number;
  readonly concurrency: number;
  /** Of one call: capability calls of any kind, requests and bytes of `http.fetch`. */
  readonly capabilityCalls: number;
  readonly egressRequests: number;
  readonly egressInBytes: number;
  readonly egressOutBytes: number;
  /** Of one call; 0: the sandbox's class counts none. */
  readonly fuel: number;
  readonly expiresMs: number;
  /** Names and values of capability `config`, together at most `configBytes`. */
  readonly config: readonly (readonly [name: string, value: string])[];
}

export function readGrant(payload: Uint8Array): GrantFrame {
  const r = new PayloadReader(payload);
  const grant = {
    handle: r.bytes(16),
    tenant: r.bytes(8),
    load: r.u32(),
    capabilities: r.u32(),
    memoryBytes: r.u32(65_536, 128 * MIB),
    deadlineMs: r.u32(1, 300_000),
    requestBytes: r.u32(0, 64 * MIB),
    responseBytes: r.u32(0, 64 * MIB),
    logBytes: r.u32(0, MIB),
    logLines: r.u32(0, 4_096),
    concurrency: r.u32(1, 512),
    capabilityCalls: r.u32(0, 4_096),
    egressRequests: r.u32(0, 4_096),
    egressInBytes: r.u32(0, 64 * MIB),
    egressOutBytes: r.u32(0, 64 * MIB),
    fuel: r.u64(bounds.fuel),
    expiresMs: r.u64(),
    config: readConfig(r),
  };
  r.end();
  if ((grant.capabilities & ~ALL_CAPABILITIES) !== 0)
    throw new FrameError("frame.bound", "cannot read frame: unknown capability");
  return grant;
}

function readConfig(r: PayloadReader): readonly (readonly [string, string])[] {
  let left: number = bounds.configBytes;
  return Array.from({ length: r.u8(bounds.configNames) }, () => {
    const name = r.str8(Math.min(left, bounds.configNameBytes));
    left -= Buffer.byteLength(name);
    const value = r.str16(Math.min(left, bounds.configValueBytes));
    left -= Buffer.byteLength(value);
    return [name, value] as const;
  });
}

export function writeGrant(w: FrameWriter, stream: number, grant: GrantFrame): void {
  w.begin(frameTypes.grant, 0, stream);
  w.bytes(grant.handle);
  w.bytes(grant.tenant);
  for (const value of [
    grant.load,
    grant.capabilities,
    grant.memoryBytes,
    grant.deadlineMs,
    grant.requestBytes,
  ])
    w.u32(value);
  for (const value of [grant.responseBytes, grant.logBytes, grant.logLines, grant.concurrency])
    w.u32(value);
  for (const value of [
    grant.capabilityCalls,
    grant.egressRequests,
    grant.egressInBytes,
    grant.egressOutBytes,
  ])
    w.u32(value);
  w.u64(grant.fuel);
  w.u64(grant.expiresMs);
  w.u8(grant.config.length);
  for (const [name, value] of grant.config) {
    w.str8(name, bounds.configNameBytes);
    w.str16(value, bounds.configValueBytes);
  }
  w.finish();
}

export function readHandle(payload: Uint8Array): Uint8Array {
  const r = new PayloadReader(payload);
  const handle = r.bytes(16);
  r.end();
  return handle;
}

export function writeUngrant(w: FrameWriter, stream: number, handle: Uint8Array): void {
  w.begin(frameTypes.ungrant, 0, stream);
  w.bytes(handle);
  w.finish();
}

/** handle: null stops everything. */
export interface HaltFrame {
  readonly handle: Uint8Array | null;
  readonly epoch: number;
}

export interface HaltedFrame {
  readonly epoch: number;
  readonly refused: number;
  readonly unqueued: number;
  readonly killed: number;
}

export function readHalt(payload: Uint8Array): HaltFrame {
  const r = new PayloadReader(payload);
  const scope = r.u8();
  const handle = r.bytes(16);
  const epoch = r.u64();
  r.end();
  if (scope === 2) return { handle, epoch };
  if (scope === 1 && handle.every((byte) => byte === 0)) return { handle: null, epoch };
  throw new FrameError("frame.bound", "cannot read frame: unknown scope of a halt");
}

export function writeHalt(w: FrameWriter, stream: number, halt: HaltFrame): void {
  w.begin(frameTypes.halt, 0, stream);
  w.u8(halt.handle === null ? 1 : 2);
  w.bytes(halt.handle ?? new Uint8Array(16));
  w.u64(halt.epoch);
  w.finish();
}

export function readHalted(payload: Uint8Array): HaltedFrame {
  const r = new PayloadReader(payload);
  const halted = { epoch: r.u64(), refused: r.u32(), unqueued: r.u32(), killed: r.u32() };
  r.end();
  return halted;
}

export function writeHalted(w: FrameWriter, stream: number, halted: HaltedFrame): void {
  w.begin(frameTypes.halt, FLAG_ANSWER, stream);
  w.u64(halted.epoch);
  for (const value of [halted.refused, halted.unqueued, halted.killed]) w.u32(value);
  w.finish();
}

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** execution: 16 bytes. text: attacker-controlled. */
export interface GuestLogLine {
  readonly execution: Uint8Array;
  /** 16 bytes: the grant that the call ran under. */
  readonly handle: Uint8Array;
  readonly level: LogLevel;
  readonly unixMicros: number;
  readonly text: string;
}

export interface LogFrame {
  readonly dropped: number;
  readonly lines: readonly GuestLogLine[];
}

export function readLog(payload: Uint8Array): LogFrame {
  const r = new PayloadReader(payload);
  const dropped = r.u32();
  const lines = Array.from({ length: r.u16(0, bounds.logLinesPerFrame) }, () => readLine(r));
  r.end();
  return { dropped, lines };
}

function readLine(r: PayloadReader): GuestLogLine {
  const execution = r.bytes(16);
  const handle = r.bytes(16);
  const level = logLevels[r.u8()];
  if (level === undefined)
    throw new FrameError("frame.bound", "cannot read frame: unknown log level");
  return { execution, handle, level, unixMicros: r.u64(), text: r.str16(bounds.logLineBytes) };
}

export function writeLog(w: FrameWriter, log: LogFrame): void {
  w.begin(frameTypes.log, 0, 0);
  w.u32(log.dropped);
  w.u16(log.lines.length);
  for (const line of log.lines) {
    w.bytes(line.execution);
    w.bytes(line.handle);
    w.u8(logLevels.indexOf(line.level));
    w.u64(line.unixMicros);
    w.str16(line.text, bounds.logLineBytes);
  }
  w.finish();
}
