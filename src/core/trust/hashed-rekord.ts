import { createHash } from "node:crypto";

import { canonicalJson } from "./canonical-json.ts";
import { encodeBase64 } from "./encodings.ts";
import type { PublicKey } from "./public-key.ts";
import { TrustError } from "./trust-error.ts";

export const HASHED_REKORD = { kind: "hashedrekord", version: "0.0.2" } as const;

/**
 * The canonical body of a Rekor v2 `hashedrekord` 0.0.2 entry for `signature` by `key` over `message`: what the artifact
 * log appends and what a verifier recomputes, instead of reading the logged one.
 * message: for an envelope its PAE. Throws TrustError "key.unsupported" for keys without a prehash (Ed25519) or key details.
 */
export function hashedRekordBody(
  message: Uint8Array,
  signature: Uint8Array,
  key: PublicKey,
): Uint8Array {
  const hash = key.algorithm === "ecdsa-p384-sha384" ? "sha384" : "sha256";
  if (key.algorithm === "ed25519" || key.keyDetails === null)
    throw new TrustError(
      "key.unsupported",
      `cannot log a signature by ${key.algorithm}: wanted ECDSA, or RSA of 2048, 3072 or 4096 bits`,
    );
  return canonicalJson({
    apiVersion: HASHED_REKORD.version,
    kind: HASHED_REKORD.kind,
    spec: {
      hashedRekordV002: {
        data: {
          algorithm: hash === "sha384" ? "SHA2_384" : "SHA2_256",
          digest: createHash(hash).update(message).digest("base64"),
        },
        signature: {
          content: encodeBase64(signature),
          verifier: { keyDetails: key.keyDetails, publicKey: { rawBytes: encodeBase64(key.spki) } },
        },
      },
    },
  });
}
