import { randomBytes } from "node:crypto";

/** API keys, the operator's among them; interfaces §1. */
const API_KEY = /^csk_[A-Za-z0-9_-]{43}$/;

/** 256 random bits. */
export function newApiKey(): string {
  return `csk_${randomBytes(32).toString("base64url")}`;
}

export function isApiKey(text: string): boolean {
  return API_KEY.test(text);
}

/** Of the right form, and given to nobody: what opens with it is open to all. */
export const UNKNOWN_API_KEY = `csk_${"A".repeat(43)}`;
