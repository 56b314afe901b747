import { generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { PublicKey } from "./public-key.ts";
import type { KeyAlgorithm } from "./public-key.ts";
import { SIGNATURE_SCHEMES } from "./signature-scheme.ts";
import { TrustError } from "./trust-error.ts";

/** Something that holds a private key and signs bytes with the one algorithm of that key (ECDSA as DER). */
export interface Signer {
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Uint8Array;
}

/** A signer over a private key in memory. Throws TrustError "key.unsupported". */
export function createSigner(privateKey: KeyObject): Signer {
  if (privateKey.type !== "private")
    throw new TrustError(
      "key.unsupported",
      "cannot sign with a key of another kind: wanted a private key",
    );
  const publicKey = PublicKey.fromKeyObject(privateKey);
  const { hash, encoding } = SIGNATURE_SCHEMES[publicKey.algorithm];
  const input = encoding === null ? privateKey : { key: privateKey, dsaEncoding: encoding };
  return {
    keyId: publicKey.keyId,
    algorithm: publicKey.algorithm,
    publicKey,
    sign: (message) => new Uint8Array(sign(hash, message, input)),
  };
}

/** A new key: Ed25519, or ECDSA on P-256. */
export function newPrivateKey(kind: "ed25519" | "p256"): KeyObject {
  const { privateKey } =
    kind === "ed25519"
      ? generateKeyPairSync("ed25519")
      : generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey;
}
