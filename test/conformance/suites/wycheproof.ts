import { createPublicKey } from "node:crypto";

import { checkSignatureAs, decodeHex, PublicKey } from "../../../src/core/trust/index.ts";
import type { SignatureScheme } from "../../../src/core/trust/index.ts";
import { openSet } from "../corpus.ts";
import { attempt, Suite } from "../suite.ts";
import type { SuiteResult } from "../suite.ts";

interface Vectors {
  readonly testGroups: readonly {
    readonly publicKeyPem: string;
    readonly tests: readonly {
      readonly tcId: number;
      readonly msg: string;
      readonly sig: string;
      readonly result: "valid" | "invalid" | "acceptable";
    }[];
  }[];
}

const SCHEMES: Readonly<Record<string, SignatureScheme>> = {
  ed25519_test: "ed25519",
  ecdsa_secp256r1_sha256_test: "ecdsa-p256-sha256",
  ecdsa_secp256r1_sha512_test: "ecdsa-p256-sha512",
  ecdsa_secp256r1_sha256_p1363_test: "ecdsa-p256-sha256-p1363",
  ecdsa_secp256r1_sha512_p1363_test: "ecdsa-p256-sha512-p1363",
  ecdsa_secp384r1_sha256_test: "ecdsa-p384-sha256",
  ecdsa_secp384r1_sha384_test: "ecdsa-p384-sha384",
  ecdsa_secp384r1_sha512_test: "ecdsa-p384-sha512",
  ecdsa_secp384r1_sha384_p1363_test: "ecdsa-p384-sha384-p1363",
  ecdsa_secp384r1_sha512_p1363_test: "ecdsa-p384-sha512-p1363",
  rsa_signature_2048_sha256_test: "rsa-pkcs1-sha256",
};

/** C2SP/wycheproof: valid must verify, invalid must not; an acceptable one is counted as run and its outcome stated. */
export function wycheproofSuite(): SuiteResult {
  const set = openSet("wycheproof");
  const suite = new Suite("wycheproof");
  let invalid = 0;
  for (const file of set.files.filter((path) => path.startsWith("testvectors_v1/"))) {
    const name = file.slice("testvectors_v1/".length, -".json".length);
    const scheme = SCHEMES[name];
    if (scheme === undefined) throw new Error(`no scheme for vector file "${file}"`);
    for (const group of set.json<Vectors>(file).testGroups) {
      // The vectors cover hashes and encodings that no document uses; for those that documents use, the key decides.
      const key = createPublicKey(group.publicKeyPem);
      const ours = PublicKey.fromKeyObject(key);
      for (const { tcId, msg, sig, result } of group.tests) {
        const run = () => {
          checkSignatureAs(scheme, key, decodeHex(msg), decodeHex(sig));
          if (ours.algorithm === scheme) ours.checkSignature(decodeHex(msg), decodeHex(sig));
        };
        if (result === "acceptable") {
          suite.check(`${name} ${tcId}`, true);
          suite.remark(
            `${name} ${tcId} is acceptable either way: ${attempt(run).ok ? "accepted" : "refused"}`,
          );
        } else {
          suite.verdict(`${name} ${tcId}`, result === "valid", run);
          if (result === "invalid") invalid++;
        }
      }
    }
  }
  suite.remark(`${invalid} of them invalid`);
  return suite.result();
}
