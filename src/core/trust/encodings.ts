import { quote } from "./coded-error.ts";
import { TrustError } from "./trust-error.ts";

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const BASE64_URL = /^[A-Za-z0-9_-]*$/;
const HEX = /^(?:[0-9a-f]{2})*$/;

/**
 * Decodes RFC 4648 base64 (standard letters, padding required, pad bits zero): what it accepts has one spelling.
 * text: attacker-controlled; maxBytes: bound on the decoded length. Throws TrustError "base64.malformed".
 */
export function decodeBase64(text: string, limits: { readonly maxBytes: number }): Uint8Array {
  if (text.length > Math.ceil(limits.maxBytes / 3) * 4)
    throw new TrustError(
      "base64.malformed",
      `cannot decode base64 of ${text.length} characters: wanted at most ${limits.maxBytes} bytes`,
    );
  if (!BASE64.test(text))
    throw new TrustError("base64.malformed", `cannot decode ${quote(text)}: wanted padded base64`);
  const bytes = Buffer.from(text, "base64");
  if (bytes.length > limits.maxBytes || bytes.toString("base64") !== text)
    throw new TrustError(
      "base64.malformed",
      `cannot decode ${quote(text)}: wanted the one canonical spelling`,
    );
  return new Uint8Array(bytes);
}

export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** Decodes base64url (RFC 4648, section 5) without padding; the one canonical spelling alone. text: attacker-controlled. Throws TrustError "base64.malformed". */
export function decodeBase64Url(text: string, limits: { readonly maxBytes: number }): Uint8Array {
  const bytes =
    text.length <= Math.ceil((limits.maxBytes * 4) / 3) && BASE64_URL.test(text)
      ? Buffer.from(text, "base64url")
      : null;
  if (bytes === null || bytes.length > limits.maxBytes || bytes.toString("base64url") !== text)
    throw new TrustError(
      "base64.malformed",
      `cannot decode ${quote(text)}: wanted base64url of at most ${limits.maxBytes} bytes`,
    );
  return new Uint8Array(bytes);
}

export function encodeBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

/** Decodes lower-case hex of even length. text: attacker-controlled. Throws TrustError "hex.malformed". */
export function decodeHex(text: string): Uint8Array {
  if (!HEX.test(text))
    throw new TrustError("hex.malformed", `cannot decode ${quote(text)}: wanted lower-case hex`);
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** The text of a UUID (RFC 9562, section 4). bytes: 16. */
export function uuidText(bytes: Uint8Array): string {
  const hex = encodeHex(bytes);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function encodeHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf8Encoder = new TextEncoder();

/** Decodes UTF-8 and keeps a byte order mark as a character. Throws TrustError "utf8.malformed". */
export function readUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new TrustError("utf8.malformed", "cannot read text: wanted valid UTF-8", { cause });
  }
}

export function writeUtf8(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
