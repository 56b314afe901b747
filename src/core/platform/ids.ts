import { randomFillSync } from "node:crypto";
import { uuidText } from "#trust";

export type IdKind =
  | "tenant"
  | "install"
  | "execution"
  | "request"
  | "apiKey"
  | "boot"
  | "grant"
  | "edge";

/** A UUIDv7 (RFC 9562, section 5.7), branded per kind so that a tenant's id is no install's. */
export type Id<K extends IdKind> = string & { readonly __id: K };

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export function newId<K extends IdKind>(kind: K): Id<K> {
  return idText(kind, newIdBytes());
}

/** The 16 bytes of a new id, for formats that hold it so. */
export function newIdBytes(): Buffer {
  const bytes = randomSixteen();
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes;
}

/** bytes: of `newIdBytes`. */
export function idText<K extends IdKind>(_kind: K, bytes: Uint8Array): Id<K> {
  return uuidText(bytes) as Id<K>; // newIdBytes made them in that form
}

const POOL_BYTES = 4_096;
let pool = Buffer.alloc(0);
let used = 0;

/** From a pool: one call of the system's generator gives many ids. Each byte is given out once. */
function randomSixteen(): Buffer {
  if (used === pool.length) {
    // A new one each time: ids given out are views of the old one.
    pool = randomFillSync(Buffer.alloc(POOL_BYTES));
    used = 0;
  }
  used += 16;
  return pool.subarray(used - 16, used);
}

/** text: attacker-controlled. Null unless it is a UUIDv7 in lower case. */
export function parseId<K extends IdKind>(_kind: K, text: string): Id<K> | null {
  return UUID_V7.test(text) ? (text as Id<K>) : null; // the pattern is the brand's rule
}
