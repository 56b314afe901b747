import { ENTRY_HEAD_BYTES, entryKinds, recordOffsets as offsets } from "./execution-entries.ts";
import type { ExecutionContext, ExecutionRecord } from "./execution-entries.ts";
import { outsideNumbers } from "./frames/outside-capability.ts";
import { executionOutcomes } from "./records.ts";
import type { Usage } from "./records.ts";

const FIRST_BYTES = 65_536;
/** More than any entry within `entryBounds` takes. */
const MAX_ENTRY_BYTES = 4_096;
const TWO_32 = 0x1_0000_0000;

/** Writes the entries of one batch, which may be taken in parts. The bounds of its texts are those of the snapshot that they come from. */
export class ExecutionEncoder {
  readonly #contexts = new Map<ExecutionContext, number>();
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #at = 0;

  add(record: ExecutionRecord): void {
    const context = this.#contexts.get(record.context) ?? this.#addContext(record.context);
    const at = this.#begin();
    const bytes = this.#bytes;
    bytes.writeUInt32LE(context, at + offsets.context);
    bytes.set(record.id, at + offsets.id);
    bytes.set(record.requestId, at + offsets.requestId);
    bytes[at + offsets.outcome] = executionOutcomes.indexOf(record.outcome);
    bytes.writeUInt16LE(record.status, at + offsets.status);
    writeU64(bytes, record.openedAt, at + offsets.openedAt);
    writeU64(bytes, record.closedAt, at + offsets.closedAt);
    writeUsage(bytes, record.usage, at + offsets.usage);
    bytes[at + offsets.denied] = record.denied === null ? 0 : outsideNumbers[record.denied];
    bytes[at + offsets.rung] = record.rung;
    this.#end(entryKinds.record, this.#text(record.code, at + offsets.code, 1));
  }

  /** What was added since the last call; valid until the next `add`. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#at);
    this.#at = 0;
    return taken;
  }

  #addContext(context: ExecutionContext): number {
    const { tenant, install, contentHash, extension, version, principalId, method } = context;
    let at = this.#begin();
    for (const id of [tenant, install, contentHash.slice("sha256:".length)])
      at += this.#bytes.write(id.replaceAll("-", ""), at, "hex");
    for (const text of [extension, version, principalId, method]) at = this.#text(text, at, 1);
    this.#end(entryKinds.context, this.#text(context.endpoint, at, 2));
    const number = this.#contexts.size;
    this.#contexts.set(context, number);
    return number;
  }

  /** Makes room for one entry; returns where its fields begin. */
  #begin(): number {
    if (this.#at + MAX_ENTRY_BYTES > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(this.#bytes.length * 2);
      larger.set(this.#bytes.subarray(0, this.#at));
      this.#bytes = larger;
    }
    return this.#at + ENTRY_HEAD_BYTES;
  }

  #end(kind: number, at: number): void {
    this.#bytes[this.#at] = kind;
    this.#bytes.writeUInt16LE(at - this.#at - ENTRY_HEAD_BYTES, this.#at + 1);
    this.#at = at;
  }

  #text(text: string, at: number, prefix: 1 | 2): number {
    const length = text === "" ? 0 : this.#bytes.write(text, at + prefix, "utf8");
    this.#bytes.writeUIntLE(length, at, prefix);
    return at + prefix + length;
  }
}

function writeUsage(bytes: Buffer, usage: Usage, at: number): void {
  writeU64(bytes, usage.wallUs, at);
  writeU64(bytes, usage.queueUs, at + 8);
  writeU64(bytes, usage.cpuUs, at + 16);
  writeU64(bytes, usage.peakMemoryBytes, at + 24);
  writeU64(bytes, usage.bytesIn, at + 32);
  writeU64(bytes, usage.bytesOut, at + 40);
  writeU64(bytes, usage.logBytes, at + 48);
  writeU64(bytes, usage.logLines, at + 56);
  writeU64(bytes, usage.droppedLogLines, at + 64);
  writeU64(bytes, usage.capabilityCalls, at + 72);
  writeU64(bytes, usage.egressRequests, at + 80);
  writeU64(bytes, usage.egressInBytes, at + 88);
  writeU64(bytes, usage.egressOutBytes, at + 96);
  writeU64(bytes, usage.fuel, at + 104);
}

function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % TWO_32, at);
  bytes.writeUInt32LE(Math.floor(value / TWO_32), at + 4);
}
