import { decodeBase64Url, encodeBase64Url, writeUtf8 } from "./encodings.ts";
import { canonicalJson } from "./canonical-json.ts";
import { ObjectReader } from "./object-reader.ts";
import type { PublicKey } from "./public-key.ts";
import type { Signer } from "./signer.ts";
import { parseStrictJson } from "./strict-json.ts";
import type { JsonObject } from "./strict-json.ts";
import { TrustError } from "./trust-error.ts";

/** Longest compact token, in characters: it travels in a header. */
export const MAX_TOKEN_CHARS = 2_048;
const SIGNATURE_BYTES = 64;

/** What a token is for; it stands in the signed header, so that none passes for another (RFC 8725, section 3.11). */
export const TOKEN_TYPES = [
  "caisson-execute+jwt",
  "caisson-edge+jwt",
  "caisson-proof+jwt",
] as const;
export type TokenType = (typeof TOKEN_TYPES)[number];

/** The only header there is, in its only spelling: nothing of it is chosen by whoever sends the token. */
function headerOf(type: TokenType): string {
  return encodeBase64Url(canonicalJson({ alg: "EdDSA", typ: type }));
}

/** A compact JWS (RFC 7515, section 3.1) by an Ed25519 key (RFC 8037, section 3.1). Throws TrustError "key.unsupported", "token.malformed". */
export function sealToken(type: TokenType, claims: JsonObject, signer: Signer): string {
  requireEd25519(signer.publicKey);
  const signed = `${headerOf(type)}.${encodeBase64Url(canonicalJson(claims))}`;
  const token = `${signed}.${encodeBase64Url(signer.sign(writeUtf8(signed)))}`;
  if (token.length > MAX_TOKEN_CHARS)
    throw new TrustError("token.malformed", `cannot seal a token of ${token.length} characters`);
  return token;
}

/**
 * Proves that `text` is a token of this type by `key`, and gives its claims to be read; the reader's `end()` is the caller's.
 * text: attacker-controlled. Throws TrustError "token.malformed", "token.type", "signature.invalid", "json.…".
 */
export function openToken(type: TokenType, text: string, key: PublicKey): ObjectReader {
  requireEd25519(key);
  if (text.length > MAX_TOKEN_CHARS)
    throw new TrustError("token.malformed", `cannot open a token of ${text.length} characters`); // stops: work for whoever sends much
  const parts = text.split(".");
  const [header = "", claims = "", signature = ""] = parts;
  if (parts.length !== 3)
    throw new TrustError("token.malformed", "cannot open a token: wanted three parts");
  if (header !== headerOf(type))
    throw new TrustError("token.type", `cannot open a token: its header is not that of ${type}`); // stops: another algorithm, none at all, a token of another use
  const bytes = decodeBase64Url(signature, { maxBytes: SIGNATURE_BYTES });
  key.checkSignature(writeUtf8(`${header}.${claims}`), bytes); // stops: forged, changed
  const payload = decodeBase64Url(claims, { maxBytes: MAX_TOKEN_CHARS });
  return ObjectReader.of(
    parseStrictJson(payload, { maxBytes: MAX_TOKEN_CHARS, maxDepth: 4 }),
    "token",
    "token.malformed",
  );
}

function requireEd25519(key: PublicKey): void {
  if (key.algorithm !== "ed25519")
    throw new TrustError("key.unsupported", `cannot use a ${key.algorithm} key for tokens`);
}
