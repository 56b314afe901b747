import { createHash } from "node:crypto";
import type { Signer } from "../../src/core/trust/index.ts";
import { BUNDLE_MEDIA_TYPE } from "../../src/core/trust/index.ts";

/** What `cosign sign-blob --key` makes of the bytes: a signature that names neither version nor publisher. */
export function cosignBundle(bytes: Uint8Array, signer: Signer): Uint8Array {
  const bundle = {
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint: signer.keyId }, tlogEntries: [] },
    messageSignature: {
      messageDigest: {
        algorithm: "SHA2_256",
        digest: createHash("sha256").update(bytes).digest("base64"),
      },
      signature: Buffer.from(signer.sign(bytes)).toString("base64"),
    },
  };
  return new TextEncoder().encode(JSON.stringify(bundle));
}
