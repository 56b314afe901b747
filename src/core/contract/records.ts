import { ObjectReader } from "#trust";
import type { JsonValue } from "#trust";

/** One call, as the gateway's spool holds it: no body, no header value. */
export interface ExecutionRecord {
  readonly id: string;
  readonly requestId: string;
  readonly tenant: string;
  readonly install: string;
  readonly contentHash: string;
  readonly extension: string;
  readonly version: string;
  readonly principalId: string;
  readonly method: string;
  readonly endpoint: string;
  readonly outcome: ExecutionOutcome;
  readonly code: string;
  readonly status: number;
  readonly openedAt: number;
  readonly closedAt: number;
  readonly usage: Usage;
}

export const executionOutcomes = [
  "done",
  "refused",
  "trapped",
  "deadline",
  "cancelled",
  "lost",
] as const;
export type ExecutionOutcome = (typeof executionOutcomes)[number];

export const usageFields = [
  "wallUs",
  "queueUs",
  "cpuUs",
  "peakMemoryBytes",
  "bytesIn",
  "bytesOut",
  "logBytes",
  "logLines",
  "droppedLogLines",
] as const;
export type Usage = Readonly<Record<(typeof usageFields)[number], number>>;

/** One guest log line, stamped by the runner. */
export interface LogRecord {
  readonly tenant: string;
  readonly install: string;
  readonly extension: string;
  readonly execution: string;
  readonly seq: number;
  readonly level: string;
  readonly message: string;
  readonly at: number;
}

export const MAX_BATCH_BYTES = 4 * 1_048_576;
const UUID = /^[0-9a-f-]{36}$/;
const DIGEST = /^sha256:[a-f0-9]{64}$/;

/** lines: one record per line, attacker-controlled as far as the edge is. A line that does not parse refuses the batch. */
export function parseExecutionBatch(bytes: Uint8Array): ExecutionRecord[] {
  return parseLines(bytes, readExecution);
}

export function parseLogBatch(bytes: Uint8Array): LogRecord[] {
  return parseLines(bytes, readLog);
}

function parseLines<T>(bytes: Uint8Array, read: (reader: ObjectReader) => T): T[] {
  const lines = new TextDecoder()
    .decode(bytes)
    .split("\n")
    .filter((line) => line !== "");
  return lines.map((line) => {
    // Records are not signed and come by the thousand: the engine's own parser, then every field by name and bound.
    const reader = ObjectReader.of(parsed(line), "record");
    const record = read(reader);
    reader.end();
    return record;
  });
}

/** Undefined, which no reader takes for an object, where the line is not JSON. */
function parsed(line: string): JsonValue | undefined {
  try {
    return JSON.parse(line) as JsonValue; // what JSON.parse gives
  } catch {
    return undefined;
  }
}

function readExecution(reader: ObjectReader): ExecutionRecord {
  const usage = reader.object("usage");
  const record = {
    id: reader.string("id", { pattern: UUID }),
    requestId: reader.string("requestId", { max: 100 }),
    tenant: reader.string("tenant", { pattern: UUID }),
    install: reader.string("install", { pattern: UUID }),
    contentHash: reader.string("contentHash", { pattern: DIGEST }),
    extension: reader.string("extension", { max: 79 }),
    version: reader.string("version", { max: 64 }),
    principalId: reader.string("principalId", { max: 64 }),
    method: reader.string("method", { max: 16 }),
    endpoint: reader.string("endpoint", { max: 512 }),
    outcome: reader.oneOf("outcome", executionOutcomes),
    code: reader.string("code", { max: 64 }),
    status: reader.integer("status", { min: 0, max: 599 }),
    openedAt: reader.integer("openedAt", { min: 0 }),
    closedAt: reader.integer("closedAt", { min: 0 }),
    usage: Object.fromEntries(
      usageFields.map((name) => [name, usage.integer(name, { min: 0 })]),
    ) as unknown as Usage, // every field was read
  };
  usage.end();
  return record;
}

function readLog(reader: ObjectReader): LogRecord {
  return {
    tenant: reader.string("tenant", { pattern: UUID }),
    install: reader.string("install", { pattern: UUID }),
    extension: reader.string("extension", { max: 79 }),
    execution: reader.string("execution", { pattern: UUID }),
    seq: reader.integer("seq", { min: 0, max: 1_000 }),
    level: reader.oneOf("level", ["debug", "info", "warn", "error"]),
    message: reader.string("message", { max: 65_536 }),
    at: reader.integer("at", { min: 0 }),
  };
}
