import { verify } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { TrustError } from "./trust-error.ts";

interface Scheme {
  readonly keyType: "ec" | "ed25519" | "rsa";
  readonly curve?: string;
  /** null: the algorithm hashes by itself. Never "by default": a default means SHA-256 for every curve. */
  readonly hash: "sha256" | "sha384" | "sha512" | null;
  readonly encoding: "der" | "ieee-p1363" | null;
}

/**
 * Every way in which a signature can be checked, by name. A key alone decides which one applies to documents
 * (`KeyAlgorithm`); the further ones are for formats that fix another, such as JOSE with its P1363 encoding.
 */
export const SIGNATURE_SCHEMES = {
  ed25519: { keyType: "ed25519", hash: null, encoding: null },
  "ecdsa-p256-sha256": { keyType: "ec", curve: "prime256v1", hash: "sha256", encoding: "der" },
  "ecdsa-p256-sha512": { keyType: "ec", curve: "prime256v1", hash: "sha512", encoding: "der" },
  "ecdsa-p384-sha256": { keyType: "ec", curve: "secp384r1", hash: "sha256", encoding: "der" },
  "ecdsa-p384-sha384": { keyType: "ec", curve: "secp384r1", hash: "sha384", encoding: "der" },
  "ecdsa-p384-sha512": { keyType: "ec", curve: "secp384r1", hash: "sha512", encoding: "der" },
  "ecdsa-p256-sha256-p1363": {
    keyType: "ec",
    curve: "prime256v1",
    hash: "sha256",
    encoding: "ieee-p1363",
  },
  "ecdsa-p256-sha512-p1363": {
    keyType: "ec",
    curve: "prime256v1",
    hash: "sha512",
    encoding: "ieee-p1363",
  },
  "ecdsa-p384-sha384-p1363": {
    keyType: "ec",
    curve: "secp384r1",
    hash: "sha384",
    encoding: "ieee-p1363",
  },
  "ecdsa-p384-sha512-p1363": {
    keyType: "ec",
    curve: "secp384r1",
    hash: "sha512",
    encoding: "ieee-p1363",
  },
  "rsa-pkcs1-sha256": { keyType: "rsa", hash: "sha256", encoding: null },
} as const satisfies Record<string, Scheme>;

export type SignatureScheme = keyof typeof SIGNATURE_SCHEMES;

/** Longest signature that any scheme makes: RSA-8192. */
export const MAX_SIGNATURE_BYTES = 1_024;

/**
 * Checks `signature` over `message` under exactly this scheme. signature: attacker-controlled.
 * Throws TrustError "signature.invalid", and "key.unsupported" for a key of another type or curve.
 */
export function checkSignatureAs(
  name: SignatureScheme,
  key: KeyObject,
  message: Uint8Array,
  signature: Uint8Array,
): void {
  const scheme: Scheme = SIGNATURE_SCHEMES[name];
  if (
    key.asymmetricKeyType !== scheme.keyType ||
    key.asymmetricKeyDetails?.namedCurve !== scheme.curve
  )
    throw new TrustError(
      "key.unsupported",
      `cannot check a signature by ${name}: the key is of another type or curve`,
    );
  if (
    signature.length === 0 ||
    signature.length > MAX_SIGNATURE_BYTES ||
    !holds(scheme, key, message, signature)
  )
    throw new TrustError(
      "signature.invalid",
      `cannot accept a signature by ${name}: it does not match the key and the bytes`,
    );
}

function holds(
  scheme: Scheme,
  key: KeyObject,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    const input = scheme.encoding === null ? key : { key, dsaEncoding: scheme.encoding };
    return verify(scheme.hash, message, input, signature);
  } catch {
    // A library that cannot read the signature has not verified it.
    return false;
  }
}
