import { createPublicKey } from "node:crypto";

import {
  checkSignatureAs,
  equalBytes,
  pae,
  parseEnvelope,
  writeUtf8,
} from "../../../src/core/trust/index.ts";
import { openSet } from "../corpus.ts";
import { Suite } from "../suite.ts";
import type { SuiteResult } from "../suite.ts";

interface Vector {
  readonly payloadType: string;
  readonly serializedBody: string;
  readonly pae: string;
}

/** secure-systems-lab/dsse: the one vector of the protocol text; its signature is r ‖ s, not DER. */
export function dsseSuite(): SuiteResult {
  const set = openSet("dsse");
  const suite = new Suite("dsse");
  const vector = set.json<Vector>("vector.json");
  const key = createPublicKey(set.text("public_key.pem"));
  const envelope = parseEnvelope(set.bytes("envelope.json"));
  const signed = pae(envelope.payloadType, envelope.payload);
  const verify = (message: Uint8Array) =>
    checkSignatureAs("ecdsa-p256-sha256-p1363", key, message, envelope.signature);
  suite.check(
    "pae",
    equalBytes(pae(vector.payloadType, writeUtf8(vector.serializedBody)), writeUtf8(vector.pae)),
  );
  suite.verdict("envelope", true, () => verify(signed));
  suite.verdict("envelope over the bare payload", false, () => verify(envelope.payload));
  suite.verdict("envelope of another type", false, () =>
    verify(pae(`${envelope.payloadType}/`, envelope.payload)),
  );
  return suite.result();
}
