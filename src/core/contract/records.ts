import { ObjectReader } from "#trust";
import type { JsonValue } from "#trust";

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
  "capabilityCalls",
  "egressRequests",
  "egressInBytes",
  "egressOutBytes",
  "fuel",
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

/** lines: one record per line, attacker-controlled as far as the edge is. A line that does not parse refuses the batch. */
export function parseLogBatch(bytes: Uint8Array): LogRecord[] {
  return parseLines(bytes, readLog);
}

function parseLines<T>(bytes: Uint8Array, read: (reader: ObjectReader) => T): T[] {
  // Behind the last line's end stands nothing, or half a line that a loss of power left.
  const lines = new TextDecoder().decode(bytes).split("\n").slice(0, -1);
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
