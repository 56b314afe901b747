import { encodeHex, TrustError, uuidText } from "#trust";
import {
  ENTRY_HEAD_BYTES,
  entryBounds as bounds,
  entryKinds,
  formerOffsets,
  recordOffsets as offsets,
} from "./execution-entries.ts";
import type { ExecutionContext } from "./execution-entries.ts";
import { outsideCapability } from "./frames/outside-capability.ts";
import { PayloadReader } from "./frames/payload-reader.ts";
import { executionOutcomes, usageFields } from "./records.ts";
import type { ExecutionOutcome } from "./records.ts";

const ID_BYTES = 16;
const HASH_BYTES = 32;
const MAX_STATUS = 599;
const MAX_RUNG = 4;
/** No call was later; in µs it is still a safe integer. */
const MAX_TIME_MS = 9_000_000_000_000;

/** A batch by columns: entry i of each belongs to record i. */
export interface ExecutionBatch {
  readonly count: number;
  readonly contexts: readonly ExecutionContext[];
  /** Index into `contexts`. */
  readonly context: Int32Array;
  /** 16 bytes for each record, without a gap. */
  readonly ids: Uint8Array;
  readonly requestIds: Uint8Array;
  readonly outcome: readonly ExecutionOutcome[];
  readonly code: readonly string[];
  /** Empty where nothing was denied. */
  readonly denied: readonly string[];
  readonly rung: Int32Array;
  readonly status: Int32Array;
  /** Unix ms. */
  readonly openedAt: Float64Array;
  readonly closedAt: Float64Array;
  readonly usage: Readonly<Record<(typeof usageFields)[number], Float64Array>>;
}

/**
 * bytes: attacker-controlled as far as the edge is. An entry cut off at the end, which a loss of power leaves behind, is
 * passed over; anything else that does not parse refuses the batch: TrustError "document.malformed" or a FrameError.
 */
export function parseExecutionBatch(bytes: Uint8Array): ExecutionBatch {
  const { contexts, records } = entriesOf(bytes);
  const batch = emptyBatch(contexts, records.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [i, { start, end, layout }] of records.entries()) {
    const code = start + layout.offsets.code;
    if (code >= end || code + 1 + (bytes[code] ?? 0) !== end) refuse("a record of a wrong length");
    batch.code[i] = codeOf(bytes.subarray(code + 1, end));
    readRecord(batch, i, layout, bytes.subarray(start, code), view, start);
  }
  return batch;
}

interface Span {
  readonly start: number;
  readonly end: number;
  readonly layout: Layout;
}

interface Layout {
  readonly offsets: Readonly<Record<"denied" | "code", number>> & { readonly rung: number | null };
  readonly usage: readonly (typeof usageFields)[number][];
}

const LAYOUTS: Readonly<Record<number, Layout>> = {
  [entryKinds.record]: { offsets, usage: usageFields },
  [entryKinds.formerRecord]: { offsets: formerOffsets, usage: usageFields.slice(0, -1) },
};

function entriesOf(bytes: Uint8Array): { contexts: ExecutionContext[]; records: Span[] } {
  const [contexts, records]: [ExecutionContext[], Span[]] = [[], []];
  let at = 0;
  while (at + ENTRY_HEAD_BYTES <= bytes.length && bytes[at] !== 0) {
    const start = at + ENTRY_HEAD_BYTES;
    const end = start + (bytes[at + 1] ?? 0) + 256 * (bytes[at + 2] ?? 0);
    if (end > bytes.length) break;
    const layout = LAYOUTS[bytes[at] ?? 0];
    if (layout !== undefined) records.push({ start, end, layout });
    else if (bytes[at] === entryKinds.context)
      contexts.push(readContext(bytes.subarray(start, end)));
    else refuse("an entry of an unknown kind");
    at = end;
  }
  return { contexts, records };
}

function emptyBatch(contexts: readonly ExecutionContext[], count: number) {
  const times = () => new Float64Array(count);
  return {
    count,
    contexts,
    context: new Int32Array(count),
    ids: new Uint8Array(count * ID_BYTES),
    requestIds: new Uint8Array(count * ID_BYTES),
    outcome: Array.from<ExecutionOutcome>({ length: count }),
    code: Array.from<string>({ length: count }),
    denied: Array.from<string>({ length: count }),
    rung: new Int32Array(count),
    status: new Int32Array(count),
    openedAt: times(),
    closedAt: times(),
    usage: {
      wallUs: times(),
      queueUs: times(),
      cpuUs: times(),
      peakMemoryBytes: times(),
      bytesIn: times(),
      bytesOut: times(),
      logBytes: times(),
      logLines: times(),
      droppedLogLines: times(),
      capabilityCalls: times(),
      egressRequests: times(),
      egressInBytes: times(),
      egressOutBytes: times(),
      fuel: times(),
    },
  };
}

function readRecord(
  batch: ReturnType<typeof emptyBatch>,
  i: number,
  layout: Layout,
  fields: Uint8Array,
  view: DataView,
  at: number,
): void {
  const idAt = (offset: number) => fields.subarray(offset, offset + ID_BYTES);
  batch.ids.set(idAt(offsets.id), i * ID_BYTES);
  batch.requestIds.set(idAt(offsets.requestId), i * ID_BYTES);
  const context = view.getUint32(at + offsets.context, true);
  batch.context[i] = within(context, batch.contexts.length - 1);
  batch.outcome[i] = executionOutcomes[fields[offsets.outcome] ?? 0] ?? refuse("no such outcome");
  const denied = fields[layout.offsets.denied] ?? 0;
  batch.denied[i] = denied === 0 ? "" : outsideCapability(denied);
  const { rung } = layout.offsets;
  batch.rung[i] = rung === null ? 0 : within(fields[rung] ?? 0, MAX_RUNG);
  batch.status[i] = within(view.getUint16(at + offsets.status, true), MAX_STATUS);
  batch.openedAt[i] = within(readU64(view, at + offsets.openedAt), MAX_TIME_MS);
  batch.closedAt[i] = within(readU64(view, at + offsets.closedAt), MAX_TIME_MS);
  let usage = at + offsets.usage;
  for (const name of layout.usage) {
    batch.usage[name][i] = within(readU64(view, usage), Number.MAX_SAFE_INTEGER);
    usage += 8;
  }
}

function readU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

function within(value: number, max: number): number {
  return value <= max ? value : refuse(`${value}, wanted at most ${max}`);
}

function codeOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return "";
  if (bytes.length > bounds.code) refuse("a code over its bound");
  return storable(Buffer.from(bytes).toString("utf8"));
}

function readContext(fields: Uint8Array): ExecutionContext {
  const reader = new PayloadReader(fields);
  const context = {
    tenant: uuidText(reader.bytes(ID_BYTES)),
    install: uuidText(reader.bytes(ID_BYTES)),
    contentHash: `sha256:${encodeHex(reader.bytes(HASH_BYTES))}`,
    extension: storable(reader.str8(bounds.extension)),
    version: storable(reader.str8(bounds.version)),
    principalId: storable(reader.str8(bounds.principal)),
    method: storable(reader.str8(bounds.method)),
    endpoint: storable(reader.str16(bounds.endpoint)),
  };
  reader.end();
  return context;
}

/** PostgreSQL holds no NUL in text. */
function storable(text: string): string {
  return text.includes("\u0000") ? refuse("text with NUL") : text;
}

function refuse(why: string): never {
  throw new TrustError("document.malformed", `cannot read batch: ${why}`);
}
