import { limits } from "./limits.ts";
import type { KvReply, KvRequest } from "./frames/kv-messages.ts";

/** Null where a request is within its bounds; control and the author's tools judge by the same. request: attacker-controlled. */
export function kvRefusal(request: KvRequest): KvReply | null {
  if (request.op === "list") return listRefusal(request);
  const size = Buffer.byteLength(request.key);
  if (size === 0) return invalid("a key has at least one byte");
  if (size > limits.kvKeyBytes.value) return tooLarge(`key over ${limits.kvKeyBytes.value} bytes`);
  if (request.op === "delete" && request.condition.kind === "absent")
    return invalid("what is absent cannot be deleted");
  return request.op === "put" ? putRefusal(request) : null;
}

function putRefusal({
  value,
  ttlSeconds,
}: Extract<KvRequest, { readonly op: "put" }>): KvReply | null {
  if (value.length > limits.kvValueBytes.value)
    return tooLarge(`value over ${limits.kvValueBytes.value} bytes`);
  const { max } = limits.kvTtlSeconds;
  if (ttlSeconds !== null && (ttlSeconds < 1 || ttlSeconds > max))
    return invalid(`a time to live is 1 to ${max} seconds`);
  return null;
}

function listRefusal({
  prefix,
  cursor,
  max,
}: Extract<KvRequest, { readonly op: "list" }>): KvReply | null {
  if (Buffer.byteLength(prefix) > limits.kvKeyBytes.value)
    return tooLarge(`prefix over ${limits.kvKeyBytes.value} bytes`);
  if (cursor !== null && keyOfCursor(cursor) === null)
    return invalid("the cursor is none that list gave");
  if (max < 1 || max > limits.kvPageKeys.value)
    return invalid(`a page has 1 to ${limits.kvPageKeys.value} keys`);
  return null;
}

/** The last key seen; a guest has no business with its form. */
export function cursorOf(key: string): string {
  return Buffer.from(key).toString("base64url");
}

/** Null for a text that `cursorOf` does not write. cursor: attacker-controlled. */
export function keyOfCursor(cursor: string): string | null {
  const key = Buffer.from(cursor, "base64url").toString("utf8");
  const size = Buffer.byteLength(key);
  return cursorOf(key) === cursor && size > 0 && size <= limits.kvKeyBytes.value ? key : null;
}

function invalid(message: string): KvReply {
  return { kind: "failure", failure: "invalid", message };
}

function tooLarge(message: string): KvReply {
  return { kind: "failure", failure: "too-large", message };
}
