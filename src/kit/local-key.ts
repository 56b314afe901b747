import { createHash } from "node:crypto";

/** What a gateway holds of a key. */
export function keyHash(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}
