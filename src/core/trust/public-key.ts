import { createPublicKey } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { digestBytes, digestOf } from "./digest.ts";
import type { SpkiDigest } from "./digest.ts";
import { concatBytes, encodeBase64, equalBytes } from "./encodings.ts";
import { checkSignatureAs } from "./signature-scheme.ts";
import { TrustError } from "./trust-error.ts";

/** The one scheme that a key signs documents, envelopes and log entries with; it follows from the key itself. */
export const KEY_ALGORITHMS = [
  "ecdsa-p256-sha256",
  "ecdsa-p384-sha384",
  "ed25519",
  "rsa-pkcs1-sha256",
] as const;
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number];

export const MAX_SPKI_BYTES = 2_048;
/** What stands before the 32 bytes of the key (RFC 8410, section 4). */
const ED25519_SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0);
const RSA_BITS = { min: 2_048, max: 8_192 } as const;

/** A public key on the allow-list: P-256/SHA-256, P-384/SHA-384, Ed25519, RSA ≥ 2048 PKCS#1 v1.5 with SHA-256. */
export class PublicKey {
  readonly algorithm: KeyAlgorithm;
  /** DER of the SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly spkiDigest: SpkiDigest;
  /** base64 of SHA-256 over the SPKI: what cosign writes as a bundle's key hint. */
  readonly keyId: string;
  /** `KeyDetails` of a Sigstore log entry (PKIX_…), or null for an RSA size that has none. */
  readonly keyDetails: string | null;
  readonly #key: KeyObject;

  private constructor(key: KeyObject, spki: Uint8Array) {
    this.#key = key;
    this.spki = spki;
    this.algorithm = algorithmOf(key);
    this.spkiDigest = digestOf("spki", spki);
    this.keyId = encodeBase64(digestBytes(this.spkiDigest));
    this.keyDetails = keyDetailsOf(this.algorithm, key);
  }

  /** der: attacker-controlled. Throws TrustError "key.malformed" (also for trailing or re-spelt DER), "key.unsupported". */
  static fromSpki(der: Uint8Array): PublicKey {
    if (der.length > MAX_SPKI_BYTES)
      throw new TrustError(
        "key.malformed",
        `cannot read a public key of ${der.length} bytes: wanted at most ${MAX_SPKI_BYTES}`,
      );
    const { key, spki } = readSpki(der);
    // OpenSSL ignores bytes after the structure and takes several spellings of it: one key has one digest here.
    if (!equalBytes(spki, der))
      throw new TrustError(
        "key.malformed",
        "cannot read a public key: wanted exactly one DER SubjectPublicKeyInfo",
      );
    return new PublicKey(key, spki);
  }

  /** An Ed25519 key by its 32 bytes (RFC 8037, section 2: `x`). raw: attacker-controlled. Throws TrustError "key.malformed". */
  static fromEd25519(raw: Uint8Array): PublicKey {
    return PublicKey.fromSpki(concatBytes(ED25519_SPKI, raw));
  }

  /** The 32 bytes of an Ed25519 key. Throws TrustError "key.unsupported". */
  ed25519(): Uint8Array {
    if (this.algorithm !== "ed25519")
      throw new TrustError("key.unsupported", `cannot take a ${this.algorithm} key for Ed25519`);
    return this.spki.subarray(ED25519_SPKI.length);
  }

  /** The public half of a key that is already held as an object. Throws TrustError "key.unsupported". */
  static fromKeyObject(key: KeyObject): PublicKey {
    const half = key.type === "private" ? createPublicKey(key) : key;
    if (half.type !== "public")
      throw new TrustError("key.unsupported", "cannot take a secret as a key: wanted a key pair");
    return new PublicKey(half, exportSpki(half));
  }

  /** Throws TrustError "signature.invalid". signature: attacker-controlled. */
  checkSignature(message: Uint8Array, signature: Uint8Array): void {
    checkSignatureAs(this.algorithm, this.#key, message, signature);
  }

  toPem(): string {
    return this.#key.export({ format: "pem", type: "spki" }).toString();
  }
}

function readSpki(der: Uint8Array): { key: KeyObject; spki: Uint8Array } {
  try {
    const key = createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
    return { key, spki: exportSpki(key) };
  } catch (cause) {
    throw new TrustError(
      "key.malformed",
      "cannot read a public key: wanted a DER SubjectPublicKeyInfo",
      { cause },
    );
  }
}

function exportSpki(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: "der", type: "spki" }));
}

function algorithmOf(key: KeyObject): KeyAlgorithm {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === "ed25519") return "ed25519";
  if (key.asymmetricKeyType === "ec" && details?.namedCurve === "prime256v1")
    return "ecdsa-p256-sha256";
  if (key.asymmetricKeyType === "ec" && details?.namedCurve === "secp384r1")
    return "ecdsa-p384-sha384";
  const bits = details?.modulusLength ?? 0;
  if (key.asymmetricKeyType === "rsa" && bits >= RSA_BITS.min && bits <= RSA_BITS.max)
    return "rsa-pkcs1-sha256";
  throw new TrustError(
    "key.unsupported",
    `cannot use a key of type ${key.asymmetricKeyType ?? "unknown"}: wanted ECDSA P-256 or P-384, Ed25519, or RSA of ${RSA_BITS.min} to ${RSA_BITS.max} bits`,
  );
}

function keyDetailsOf(algorithm: KeyAlgorithm, key: KeyObject): string | null {
  switch (algorithm) {
    case "ecdsa-p256-sha256":
      return "PKIX_ECDSA_P256_SHA_256";
    case "ecdsa-p384-sha384":
      return "PKIX_ECDSA_P384_SHA_384";
    case "ed25519":
      return "PKIX_ED25519";
    case "rsa-pkcs1-sha256": {
      const bits = key.asymmetricKeyDetails?.modulusLength;
      return bits === 2_048 || bits === 3_072 || bits === 4_096
        ? `PKIX_RSA_PKCS1V15_${bits}_SHA256`
        : null;
    }
    default:
      return algorithm satisfies never;
  }
}
