import { createPublicKey } from "node:crypto";

import { bundleFromJSON } from "@sigstore/bundle";
import { toSignedEntity, Verifier } from "@sigstore/verify";
import type { TrustMaterial } from "@sigstore/verify";

import type { LogKey, PublicKey } from "../../src/core/trust/index.ts";

const NEVER_ENDS = { start: new Date(0), end: new Date(8.64e15) };

/** What sigstore-js says about a bundle signed by `key` and logged in `log`: the error's text, or null when it verifies. */
export function oracleRefusal(bundleBytes: Uint8Array, key: PublicKey, log: LogKey): string | null {
  try {
    const bundle = bundleFromJSON(JSON.parse(Buffer.from(bundleBytes).toString()));
    const verifier = new Verifier(trustMaterial(key, log), {
      tlogThreshold: 1,
      ctlogThreshold: 0,
      timestampThreshold: 0,
    });
    verifier.verify(toSignedEntity(bundle));
    return null;
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : "unknown";
  }
}

function trustMaterial(key: PublicKey, log: LogKey): TrustMaterial {
  const [, , encoded = ""] =
    log.verifierKey.split("+").length > 3
      ? ["", "", log.verifierKey.split("+").slice(2).join("+")]
      : log.verifierKey.split("+");
  const raw = Buffer.from(encoded, "base64").subarray(1);
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
  return {
    certificateAuthorities: [],
    timestampAuthorities: [],
    ctlogs: [],
    tlogs: [
      {
        logID: Buffer.from(log.logId),
        baseURL: `https://${log.origin}`,
        publicKey: createPublicKey({ key: spki, format: "der", type: "spki" }),
        validFor: NEVER_ENDS,
      },
    ],
    publicKey: (hint) => {
      if (hint !== key.keyId) throw new Error("unknown key hint");
      return { publicKey: createPublicKey(key.toPem()), validFor: () => true };
    },
  };
}
