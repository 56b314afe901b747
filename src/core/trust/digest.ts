import { createHash } from "node:crypto";

import { quote } from "./coded-error.ts";
import { decodeHex, encodeHex } from "./encodings.ts";
import { TrustError } from "./trust-error.ts";

declare const hashBrand: unique symbol;
declare const digestBrand: unique symbol;
declare const kindBrand: unique symbol;

/** 32 bytes of SHA-256. */
export type Hash = Uint8Array & { readonly [hashBrand]: true };

/** `sha256:` and 64 lower-case hex digits. */
export type Sha256Digest = string & { readonly [digestBrand]: true };

/** What a digest names: a digest of one kind cannot be passed for another. */
export type DigestKind =
  | "manifest"
  | "file"
  | "build"
  | "envelope"
  | "document"
  | "spki"
  | "verdict";
export type Digest<K extends DigestKind> = Sha256Digest & { readonly [kindBrand]: K };

export type ManifestDigest = Digest<"manifest">;
export type FileDigest = Digest<"file">;
export type BuildDigest = Digest<"build">;
export type EnvelopeDigest = Digest<"envelope">;
export type DocumentDigest = Digest<"document">;
export type SpkiDigest = Digest<"spki">;
export type VerdictDigest = Digest<"verdict">;

export const HASH_BYTES = 32;
const DIGEST = /^sha256:[a-f0-9]{64}$/;

export function sha256(...parts: readonly Uint8Array[]): Hash {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  // SHA-256 gives 32 bytes: the brand holds.
  return new Uint8Array(hash.digest()) as Hash;
}

/** Takes 32 bytes as a hash. Throws TrustError "digest.malformed" for any other length. */
export function asHash(bytes: Uint8Array): Hash {
  if (bytes.length !== HASH_BYTES)
    throw new TrustError(
      "digest.malformed",
      `cannot take ${bytes.length} bytes as a hash: wanted ${HASH_BYTES}`,
    );
  // The length was checked: the brand holds.
  return bytes as Hash;
}

/** Reads `sha256:<64 lower-case hex>` (OCI forbids A–F). text: attacker-controlled. Throws TrustError "digest.malformed". */
export function parseDigest<K extends DigestKind>(kind: K, text: string): Digest<K> {
  if (!DIGEST.test(text))
    throw new TrustError(
      "digest.malformed",
      `cannot read ${kind} digest ${quote(text)}: wanted "sha256:" and 64 lower-case hex digits`,
    );
  // The pattern was checked: the brand holds.
  return text as Digest<K>;
}

export function digestOf<K extends DigestKind>(kind: K, bytes: Uint8Array): Digest<K> {
  return digestFromBytes(kind, sha256(bytes));
}

export function digestFromBytes<K extends DigestKind>(kind: K, bytes: Uint8Array): Digest<K> {
  return parseDigest(kind, `sha256:${encodeHex(asHash(bytes))}`);
}

/** The 64 hex digits after `sha256:`. */
export function digestHex(digest: Sha256Digest): string {
  return digest.slice("sha256:".length);
}

export function digestBytes(digest: Sha256Digest): Hash {
  return asHash(decodeHex(digestHex(digest)));
}
