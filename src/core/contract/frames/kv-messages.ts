import { callFailures, failureReply } from "./capability-messages.ts";
import { FrameError } from "./frame-error.ts";
import { frameBounds as bounds } from "./frames.ts";
import { PayloadReader } from "./payload-reader.ts";

/** What must hold for a write to be made. */
export type KvCondition =
  | { readonly kind: "always" | "absent" }
  | { readonly kind: "revision"; readonly revision: number };

/** What a guest asks of `storage.kv`. All of it is attacker-controlled, its sizes too. */
export type KvRequest =
  | { readonly op: "get"; readonly key: string }
  | {
      readonly op: "put";
      readonly key: string;
      readonly condition: KvCondition;
      readonly ttlSeconds: number | null;
      readonly value: Uint8Array;
    }
  | { readonly op: "delete"; readonly key: string; readonly condition: KvCondition }
  | {
      readonly op: "list";
      readonly prefix: string;
      readonly cursor: string | null;
      readonly max: number;
    };

const MAX_TEXT = 65_535;

/** Throws FrameError. */
export function readKvRequest(argument: Uint8Array): KvRequest {
  const r = new PayloadReader(argument);
  const op = r.u8();
  const first = r.str16(MAX_TEXT);
  if (op === 2) return readPut(r, first);
  const request =
    op === 1
      ? ({ op: "get", key: first } as const)
      : op === 3
        ? ({ op: "delete", key: first, condition: readCondition(r) } as const)
        : op === 4
          ? readList(r, first)
          : refuse("unknown operation");
  r.end();
  return request;
}

function readPut(r: PayloadReader, key: string): KvRequest {
  const condition = readCondition(r);
  const [hasTtl, seconds] = [r.u8(1), r.u32()];
  return {
    op: "put",
    key,
    condition,
    ttlSeconds: hasTtl === 1 ? seconds : null,
    value: r.rest(bounds.capabilityBytes),
  };
}

function readList(r: PayloadReader, prefix: string): KvRequest {
  const [hasCursor, cursor] = [r.u8(1), r.str16(MAX_TEXT)];
  return { op: "list", prefix, cursor: hasCursor === 1 ? cursor : null, max: r.u32() };
}

function readCondition(r: PayloadReader): KvCondition {
  const kind = (["always", "absent", "revision"] as const)[r.u8(2)] ?? refuse("unknown condition");
  const revision = readRevision(r);
  return kind === "revision" ? { kind, revision } : { kind };
}

/** One that no put ever gave, where it is no safe integer: it matches nothing. */
function readRevision(r: PayloadReader): number {
  const bytes = Buffer.from(r.bytes(8));
  const revision = bytes.readBigUInt64LE();
  return revision <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(revision) : Number.MAX_SAFE_INTEGER;
}

/** In the order of their numbers, from 1. */
const kvFailures = [
  ...callFailures,
  "quota-keys",
  "quota-bytes",
  "conflict",
  "missing",
  "unavailable",
  "invalid",
] as const;
export type KvFailure = Exclude<(typeof kvFailures)[number], "conflict">;

/** How a reply of any capability reads in figures: `done`, or its failure. */
export function replyOutcome(reply: Uint8Array): string {
  return kvFailures[(reply[0] ?? 0) - 1] ?? "done";
}

export type KvReply =
  | {
      readonly kind: "entry";
      readonly revision: number;
      /** Unix ms. */
      readonly expiresMs: number | null;
      readonly value: Uint8Array;
    }
  | { readonly kind: "absent" | "deleted" }
  | { readonly kind: "written"; readonly revision: number }
  | { readonly kind: "page"; readonly keys: readonly string[]; readonly cursor: string | null }
  | { readonly kind: "failure"; readonly failure: KvFailure; readonly message: string }
  | { readonly kind: "conflict"; readonly current: number | null };

/** Bytes of a reply, as the sandbox reads them. The caller keeps keys and values within limits. */
export function kvReplyBytes(reply: KvReply): Uint8Array {
  switch (reply.kind) {
    case "entry":
      return Buffer.concat([
        Buffer.of(32),
        u64(reply.revision),
        optionU64(reply.expiresMs),
        reply.value,
      ]);
    case "absent":
      return Buffer.of(33);
    case "written":
      return Buffer.concat([Buffer.of(34), u64(reply.revision)]);
    case "deleted":
      return Buffer.of(35);
    case "page":
      return pageBytes(reply.keys, reply.cursor);
    case "conflict":
      return Buffer.concat([
        failureReply(kvFailures.indexOf("conflict") + 1, ""),
        optionU64(reply.current),
      ]);
    case "failure":
      return failureReply(kvFailures.indexOf(reply.failure) + 1, reply.message);
    default:
      return reply satisfies never;
  }
}

function pageBytes(keys: readonly string[], cursor: string | null): Uint8Array {
  const count = Buffer.alloc(2);
  count.writeUInt16LE(keys.length);
  return Buffer.concat([
    Buffer.of(36, cursor === null ? 0 : 1),
    str16(cursor ?? ""),
    count,
    ...keys.map(str16),
  ]);
}

function str16(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function optionU64(value: number | null): Buffer {
  return Buffer.concat([Buffer.of(value === null ? 0 : 1), u64(value ?? 0)]);
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function refuse(why: string): never {
  throw new FrameError("frame.bound", `cannot read frame: ${why}`);
}
