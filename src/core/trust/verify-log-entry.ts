import { signedBytes } from "./bundle.ts";
import type { Bundle, LogEntry } from "./bundle.ts";
import { claimedOrigin, openCheckpoint } from "./checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { CodedError, quote } from "./coded-error.ts";
import type { Envelope } from "./dsse.ts";
import { equalBytes, writeUtf8 } from "./encodings.ts";
import { HASHED_REKORD, hashedRekordBody } from "./hashed-rekord.ts";
import { checkLogWindow } from "./log-key.ts";
import type { LogKey } from "./log-key.ts";
import { checkInclusion, leafHash } from "./merkle.ts";
import type { PublicKey } from "./public-key.ts";
import { TrustError } from "./trust-error.ts";
import type { TrustCode } from "./trust-error.ts";

/** Where a release stands in a log, proved. */
export interface LogPosition {
  readonly origin: string;
  readonly index: bigint;
  readonly size: bigint;
  readonly checkpoint: string;
}

/**
 * Proves that the envelope's signature is an entry of a log that the trust root names: every entry of the bundle must
 * hold, and there must be one. entries: attacker-controlled.
 * Throws TrustError "log.missing", "log.duplicate", "log.unknown", "log.window", "log.entry-mismatch", "log.checkpoint", "log.inclusion".
 */
export function verifyLogEntries(
  bundle: Bundle,
  envelope: Envelope,
  key: PublicKey,
  logs: readonly LogKey[],
  now: Date,
): LogPosition {
  const positions = bundle.entries.map((entry) => verifyLogEntry(entry, envelope, key, logs, now));
  if (new Set(positions.map((at) => `${at.origin} ${at.index}`)).size !== positions.length)
    throw new TrustError("log.duplicate", "cannot accept a bundle that holds one log entry twice");
  const [first] = positions;
  if (first === undefined)
    throw new TrustError(
      "log.missing",
      "cannot find the release in a log: its bundle has no log entry",
    );
  return first;
}

function verifyLogEntry(
  entry: LogEntry,
  envelope: Envelope,
  key: PublicKey,
  logs: readonly LogKey[],
  now: Date,
): LogPosition {
  const expected = coded("log.entry-mismatch", () =>
    hashedRekordBody(signedBytes(envelope), envelope.signature, key),
  );
  checkEntryShape(entry, expected); // stops: the proof of another signature attached to this one
  const { proof } = entry;
  if (proof === null)
    throw new TrustError("log.inclusion", "cannot accept a log entry without an inclusion proof");
  const checkpointBytes = writeUtf8(proof.checkpoint);
  const log = findLog(entry, checkpointBytes, logs);
  checkLogWindow(log, now); // stops: a log key that was retired
  const checkpoint = coded("log.checkpoint", () => openCheckpoint(checkpointBytes, log.verifier)); // stops: a made-up tree
  checkCopies(entry, checkpoint);
  coded("log.inclusion", () =>
    checkInclusion(leafHash(expected), entry.index, checkpoint.size, proof.hashes, checkpoint.root),
  );
  return {
    origin: log.origin,
    index: entry.index,
    size: checkpoint.size,
    checkpoint: proof.checkpoint,
  };
}

function checkEntryShape(entry: LogEntry, expected: Uint8Array): void {
  if (entry.kind !== HASHED_REKORD.kind || entry.version !== HASHED_REKORD.version)
    throw new TrustError(
      "log.entry-mismatch",
      `cannot accept a log entry of kind ${quote(entry.kind)} ${quote(entry.version)}: wanted ${HASHED_REKORD.kind} ${HASHED_REKORD.version}`,
    );
  if (!equalBytes(entry.body, expected))
    throw new TrustError(
      "log.entry-mismatch",
      "cannot accept a log entry: it is of another digest, signature or key",
    );
  // A Rekor v2 log promises nothing and dates nothing; a value here is unsigned, and somebody would believe it.
  if (entry.promise !== null || entry.integratedTime !== 0n)
    throw new TrustError(
      "log.entry-mismatch",
      "cannot accept a log entry with a promise or an integrated time: wanted an inclusion proof alone",
    );
}

function findLog(entry: LogEntry, checkpoint: Uint8Array, logs: readonly LogKey[]): LogKey {
  const origin = coded("log.checkpoint", () => claimedOrigin(checkpoint));
  const log = logs.find((known) => known.origin === origin && equalBytes(known.logId, entry.logId));
  if (log === undefined)
    throw new TrustError(
      "log.unknown",
      `cannot accept an entry of log ${quote(origin)}: the trust root names ${logs.length} logs, not this one with this key`,
    );
  return log;
}

/** The proof's own index, size and root are copies that no signature covers: they must agree with the entry and checkpoint. */
function checkCopies(entry: LogEntry, checkpoint: Checkpoint): void {
  const proof = entry.proof;
  if (
    proof === null ||
    proof.index !== entry.index ||
    proof.size !== checkpoint.size ||
    !equalBytes(proof.root, checkpoint.root)
  )
    throw new TrustError(
      "log.inclusion",
      "cannot accept an inclusion proof whose index, size or root differ from its checkpoint",
    );
}

function coded<T>(code: TrustCode, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const why = cause instanceof CodedError ? `: ${cause.code}` : "";
    throw new TrustError(code, `cannot accept a log entry${why}`, { cause });
  }
}
