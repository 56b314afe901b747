import { instantMs, formatInstant } from "./instant.ts";
import { noteKeyHash, parseVerifierKey, NOTE_TYPES } from "./note.ts";
import type { NoteVerifier } from "./note.ts";
import { concatBytes } from "./encodings.ts";
import { TrustError } from "./trust-error.ts";

/** A transparency log that the trust root names. */
export interface LogKey {
  readonly origin: string;
  /** C2SP `name+hash+key`. */
  readonly verifierKey: string;
  readonly verifier: NoteVerifier;
  /** Rekor v2 log id: SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key), 32 bytes. */
  readonly logId: Uint8Array;
  readonly validFrom: Date;
  readonly validTo?: Date;
}

/** Builds a log key from its verifier key. Throws TrustError "key.malformed", "key.unsupported". */
export function logKeyOf(verifierKey: string, validFrom: Date, validTo?: Date): LogKey {
  const verifier = parseVerifierKey(verifierKey);
  if (verifier.type !== NOTE_TYPES.ed25519)
    throw new TrustError(
      "key.unsupported",
      "cannot take a witness key for a log's: wanted type 0x01",
    );
  const raw = verifier.publicKey.spki.slice(-32);
  const logId = noteKeyHash(verifier.name, concatBytes(Uint8Array.of(NOTE_TYPES.ed25519), raw));
  return {
    origin: verifier.name,
    verifierKey,
    verifier,
    logId,
    validFrom,
    ...(validTo === undefined ? {} : { validTo }),
  };
}

/** Throws TrustError "log.window" when the log's key is not valid at `now` (both ends included). */
export function checkLogWindow(log: LogKey, now: Date): void {
  const at = instantMs(now);
  if (at < log.validFrom.getTime() || (log.validTo !== undefined && at > log.validTo.getTime()))
    throw new TrustError(
      "log.window",
      `cannot trust log ${log.origin} at ${formatInstant(now)}: its key is valid at another time`,
    );
}
