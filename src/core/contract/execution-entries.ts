import type { OutsideCapability } from "./frames/outside-capability.ts";
import type { ExecutionOutcome, Usage } from "./records.ts";
import { usageFields } from "./records.ts";

/** What the calls of one key to one endpoint of one install have in common; a batch holds it once. */
export interface ExecutionContext {
  readonly tenant: string;
  readonly install: string;
  readonly contentHash: string;
  readonly extension: string;
  readonly version: string;
  readonly principalId: string;
  readonly method: string;
  readonly endpoint: string;
}

/** One call, as the gateway's spool holds it: no body, no header value. id, requestId: 16 bytes. */
export interface ExecutionRecord {
  readonly context: ExecutionContext;
  readonly id: Uint8Array;
  readonly requestId: Uint8Array;
  readonly outcome: ExecutionOutcome;
  readonly code: string;
  /** The step of the kill ladder that ended it; 0: none. */
  readonly rung: number;
  /** The capability that was denied first. */
  readonly denied: OutsideCapability | null;
  readonly status: number;
  readonly openedAt: number;
  readonly closedAt: number;
  readonly usage: Usage;
}

/**
 * A batch is a row of entries: u8 kind, u16 length of the fields, fields. Integers are little-endian, `str8`/`str16` are
 * UTF-8 behind a u8/u16 byte count.
 *
 * | kind | fields |
 * |---|---|
 * | 1 context, numbered from 0 in the order they come | 16 tenant, 16 install, 32 content hash, str8 extension ≤ 79, version ≤ 64, principal ≤ 64, method ≤ 16, str16 endpoint ≤ 512 |
 * | 2 record | as 3, but without the last field of usage and without a rung: of before there were these |
 * | 3 record | u32 context, 16 id, 16 request, u8 outcome, u16 status ≤ 599, u64 opened and closed in Unix ms, u64 × 14 usage, u8 denied capability (0: none), u8 rung ≤ 4, str8 code ≤ 64 |
 */
export const entryKinds = { context: 1, formerRecord: 2, record: 3 } as const;
export const ENTRY_HEAD_BYTES = 3;

const usageAt = 55;
/** Where a record's fields lie behind its head. */
export const recordOffsets = {
  context: 0,
  id: 4,
  requestId: 20,
  outcome: 36,
  status: 37,
  openedAt: 39,
  closedAt: 47,
  usage: usageAt,
  denied: usageAt + 8 * usageFields.length,
  rung: usageAt + 8 * usageFields.length + 1,
  code: usageAt + 8 * usageFields.length + 2,
} as const;

/** The same of a record of before: one field of usage less, and no rung. */
export const formerOffsets = {
  ...recordOffsets,
  denied: usageAt + 8 * (usageFields.length - 1),
  rung: null,
  code: usageAt + 8 * (usageFields.length - 1) + 1,
} as const;

/** Of texts, in bytes. */
export const entryBounds = {
  extension: 79,
  version: 64,
  principal: 64,
  method: 16,
  endpoint: 512,
  code: 64,
} as const;
