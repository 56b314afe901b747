import { randomFillSync } from "node:crypto";

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

export function newId<K extends IdKind>(_kind: K): Id<K> {
  const bytes = randomSixteen();
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  const text = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  return text as Id<K>; // made in that form just above
}

const pool = Buffer.alloc(4_096);
let used = pool.length;

/** From a pool: one call of the system's generator gives many ids. Each byte is given out once, and overwritten there by the id's own bits only. */
function randomSixteen(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += 16;
  return pool.subarray(used - 16, used);
}

/** text: attacker-controlled. Null unless it is a UUIDv7 in lower case. */
export function parseId<K extends IdKind>(_kind: K, text: string): Id<K> | null {
  return UUID_V7.test(text) ? (text as Id<K>) : null; // the pattern is the brand's rule
}
