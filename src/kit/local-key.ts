import { createHash, randomBytes } from "node:crypto";

/** 256 random bits, in the form of every API key. */
export function newApiKey(): string {
  return `csk_${randomBytes(32).toString("base64url")}`;
}

/** What a gateway holds of a key. */
export function keyHash(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}
