import { canonicalJson } from "./canonical-json.ts";
import { quote } from "./coded-error.ts";
import { concatBytes, encodeBase64, writeUtf8 } from "./encodings.ts";
import { ObjectReader } from "./object-reader.ts";
import type { PublicKey } from "./public-key.ts";
import { MAX_SIGNATURE_BYTES } from "./signature-scheme.ts";
import type { Signer } from "./signer.ts";
import { parseStrictJson } from "./strict-json.ts";
import type { JsonObject, JsonValue } from "./strict-json.ts";
import { TrustError } from "./trust-error.ts";
import type { TrustCode } from "./trust-error.ts";

export const MAX_ENVELOPE_BYTES = 8 * 1_048_576;
const MAX_PAYLOAD_TYPE = 256;
const MAX_KEY_ID = 256;

/** A DSSE envelope (DSSE v1.0.2) with exactly one signature. */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** Attacker-controlled hint; empty when the signer gave none. */
  readonly keyId: string;
}

/** The bytes that a DSSE signature covers: "DSSEv1" SP len(type) SP type SP len(body) SP body. */
export function pae(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = writeUtf8(payloadType);
  return concatBytes(
    writeUtf8(`DSSEv1 ${type.length} `),
    type,
    writeUtf8(` ${payload.length} `),
    payload,
  );
}

export function signEnvelope(payloadType: string, payload: Uint8Array, signer: Signer): Envelope {
  return {
    payloadType,
    payload,
    signature: signer.sign(pae(payloadType, payload)),
    keyId: signer.keyId,
  };
}

export function envelopeJson(envelope: Envelope): JsonObject {
  const sig = encodeBase64(envelope.signature);
  return {
    payload: encodeBase64(envelope.payload),
    payloadType: envelope.payloadType,
    signatures: [envelope.keyId === "" ? { sig } : { keyid: envelope.keyId, sig }],
  };
}

export function serializeEnvelope(envelope: Envelope): Uint8Array {
  return canonicalJson(envelopeJson(envelope));
}

/** bytes: attacker-controlled, at most maxBytes. Throws TrustError "envelope.malformed" or a "json.…" code. */
export function parseEnvelope(
  bytes: Uint8Array,
  limits: { readonly maxBytes: number } = { maxBytes: MAX_ENVELOPE_BYTES },
): Envelope {
  return readEnvelope(parseStrictJson(bytes, limits), "envelope", "envelope.malformed");
}

/** Reads a parsed envelope; no signature, several signatures and unknown fields are refused with `code`. */
export function readEnvelope(value: JsonValue, path: string, code: TrustCode): Envelope {
  const reader: ObjectReader = ObjectReader.of(value, path, code);
  const payload = reader.base64("payload", { maxBytes: MAX_ENVELOPE_BYTES });
  const payloadType = reader.string("payloadType", { max: MAX_PAYLOAD_TYPE });
  const signatures = reader.objects("signatures", { max: 16 }, (item) => ({
    signature: item.base64("sig", { maxBytes: MAX_SIGNATURE_BYTES }),
    keyId: item.optionalString("keyid", { max: MAX_KEY_ID }) ?? "",
  }));
  reader.end();
  const [only] = signatures;
  // Two signatures would let one verifier count the first and another the second.
  if (only === undefined || signatures.length !== 1)
    reader.refuse("signatures", "exactly one signature");
  return { payloadType, payload, ...only };
}

/**
 * Checks the envelope's type and signature against the one key of `keys` that its key id names.
 * envelope: attacker-controlled; keys: from the trust root. Throws TrustError "envelope.type", "document.signer", "signature.invalid".
 */
export function openEnvelope(
  envelope: Envelope,
  payloadType: string,
  keys: readonly PublicKey[],
): PublicKey {
  if (envelope.payloadType !== payloadType)
    throw new TrustError(
      "envelope.type",
      `cannot open an envelope of type ${quote(envelope.payloadType)}: wanted ${quote(payloadType)}`,
    );
  const key = keys.find((candidate) => candidate.keyId === envelope.keyId);
  if (key === undefined)
    throw new TrustError(
      "document.signer",
      `cannot open an envelope signed by ${quote(envelope.keyId)}: the key is not among the ${keys.length} expected`,
    );
  key.checkSignature(pae(payloadType, envelope.payload), envelope.signature);
  return key;
}
