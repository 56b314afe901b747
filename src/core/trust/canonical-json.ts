import canonicalize from "canonicalize";

import { writeUtf8 } from "./encodings.ts";
import type { JsonValue } from "./strict-json.ts";
import { TrustError } from "./trust-error.ts";

/**
 * RFC 8785 bytes of a JSON value. Throws TrustError "json.not-canonical" for what has none: lone surrogates, numbers
 * that are not finite, values outside JSON.
 */
export function canonicalJson(value: JsonValue): Uint8Array {
  let text: string | undefined;
  try {
    text = canonicalize(value);
  } catch (cause) {
    throw new TrustError(
      "json.not-canonical",
      "cannot write canonical JSON: the value has no RFC 8785 form",
      { cause },
    );
  }
  if (text === undefined)
    throw new TrustError(
      "json.not-canonical",
      "cannot write canonical JSON: the value is not JSON",
    );
  return writeUtf8(text);
}
