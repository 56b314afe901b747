import { cursorOf, failureBytes, keyOfCursor, kvRefusal, kvReplyBytes, limits } from "#contract";
import { parseBrokerCall, readKvRequest } from "#contract";
import type { KvCondition, KvReply, KvRequest } from "#contract";
import type { Clock } from "#platform";

interface Entry {
  readonly value: Uint8Array;
  readonly revision: number;
  readonly expiresMs: number | null;
}

type Op<Name extends KvRequest["op"]> = Extract<KvRequest, { readonly op: Name }>;

/** `storage.kv` of one install in memory, by control's own rules: for an author's tools, gone with them. */
export class LocalKv {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;
  #revision = 0;
  /** Keys and values together. */
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A call as the broker brings it to control. */
  answer(body: Buffer): Uint8Array {
    const call = parseBrokerCall(body);
    if (call === null) return failureBytes("failed", "the call cannot be read");
    return kvReplyBytes(this.perform(readKvRequest(call.argument)));
  }

  perform(request: KvRequest): KvReply {
    const refusal = kvRefusal(request);
    if (refusal !== null) return refusal;
    this.#sweep();
    switch (request.op) {
      case "get":
        return this.#get(request.key);
      case "put":
        return this.#put(request);
      case "delete":
        return this.#delete(request);
      case "list":
        return this.#list(request);
      default:
        return request satisfies never;
    }
  }

  #sweep(): void {
    const now = this.#clock.now().getTime();
    for (const [key, { expiresMs }] of this.#entries)
      if (expiresMs !== null && expiresMs <= now) this.#remove(key);
  }

  #get(key: string): KvReply {
    const entry = this.#entries.get(key);
    return entry === undefined ? { kind: "absent" } : { kind: "entry", ...entry };
  }

  #put({ key, condition, value, ttlSeconds }: Op<"put">): KvReply {
    const current = this.#entries.get(key)?.revision ?? null;
    if (!holds(condition, current)) return { kind: "conflict", current };
    const bytes = this.#bytes - this.#sizeOf(key) + Buffer.byteLength(key) + value.length;
    if (current === null && this.#entries.size >= limits.kvKeys.value) return failure("quota-keys");
    if (bytes > limits.kvBytes.value) return failure("quota-bytes");
    this.#bytes = bytes;
    const revision = ++this.#revision;
    const expiresMs = ttlSeconds === null ? null : this.#clock.now().getTime() + ttlSeconds * 1_000;
    this.#entries.set(key, { value, revision, expiresMs });
    return { kind: "written", revision };
  }

  #delete({ key, condition }: Op<"delete">): KvReply {
    const current = this.#entries.get(key)?.revision ?? null;
    if (current === null) return failure("missing");
    if (!holds(condition, current)) return { kind: "conflict", current };
    this.#remove(key);
    return { kind: "deleted" };
  }

  #remove(key: string): void {
    this.#bytes -= this.#sizeOf(key);
    this.#entries.delete(key);
  }

  #sizeOf(key: string): number {
    const entry = this.#entries.get(key);
    return entry === undefined ? 0 : Buffer.byteLength(key) + entry.value.length;
  }

  #list({ prefix, cursor, max }: Op<"list">): KvReply {
    const after = Buffer.from(cursor === null ? "" : (keyOfCursor(cursor) ?? ""));
    const sorted = [...this.#entries.keys()]
      .filter((key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), after) > 0)
      .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const keys = sorted.slice(0, max);
    const last = keys.at(-1);
    const more = sorted.length > max && last !== undefined;
    return { kind: "page", keys, cursor: more ? cursorOf(last) : null };
  }
}

function holds(condition: KvCondition, revision: number | null): boolean {
  if (condition.kind === "revision") return revision === condition.revision;
  return condition.kind === "always" || revision === null;
}

function failure(code: "quota-keys" | "quota-bytes" | "missing"): KvReply {
  return { kind: "failure", failure: code, message: "" };
}
