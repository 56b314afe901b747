import { quote } from "./coded-error.ts";
import { asHash } from "./digest.ts";
import type { Hash } from "./digest.ts";
import { decodeBase64, encodeBase64 } from "./encodings.ts";
import { openNote, parseNote } from "./note.ts";
import type { NoteVerifier } from "./note.ts";
import { TrustError } from "./trust-error.ts";

/** C2SP tlog-checkpoint. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Hash;
  readonly extensions: readonly string[];
}

const MAX_SIZE = (1n << 63n) - 1n;
const MAX_EXTENSIONS = 64;

/** The note text of a checkpoint. Throws TrustError "checkpoint.malformed". */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const lines = [
    checkpoint.origin,
    checkpoint.size.toString(),
    encodeBase64(checkpoint.root),
    ...checkpoint.extensions,
  ];
  const text = `${lines.join("\n")}\n`;
  parseCheckpointText(text);
  return text;
}

/** text: attacker-controlled until its note was verified. Throws TrustError "checkpoint.malformed", "base64.malformed". */
export function parseCheckpointText(text: string): Checkpoint {
  if (!text.endsWith("\n")) malformed("wanted lines");
  const [origin = "", size = "", root = "", ...extensions] = text.slice(0, -1).split("\n");
  // Verifiers that cut a note at its first empty line would read another checkpoint than we do.
  if (origin === "" || extensions.some((line) => line === "")) malformed("wanted no empty line");
  if (!/^(?:0|[1-9]\d{0,18})$/.test(size) || BigInt(size) > MAX_SIZE)
    malformed(`wanted a size, not ${quote(size)}`);
  if (extensions.length > MAX_EXTENSIONS)
    malformed(`wanted at most ${MAX_EXTENSIONS} extension lines`);
  const hash = decodeBase64(root, { maxBytes: 32 });
  if (hash.length !== 32) malformed("wanted a root of 32 bytes");
  return { origin, size: BigInt(size), root: asHash(hash), extensions };
}

/**
 * Proves that the log named by `verifier` signed this checkpoint and that the checkpoint is of that log.
 * bytes: attacker-controlled. Throws TrustError "note.…", "signature.invalid", "checkpoint.malformed", "checkpoint.origin".
 */
export function openCheckpoint(
  bytes: Uint8Array,
  verifier: NoteVerifier,
  origin: string = verifier.name,
): Checkpoint {
  const { text } = openNote(bytes, [verifier]);
  const checkpoint = parseCheckpointText(text);
  if (checkpoint.origin !== origin)
    throw new TrustError(
      "checkpoint.origin",
      `cannot accept a checkpoint of ${quote(checkpoint.origin)}: wanted ${quote(origin)}`,
    );
  return checkpoint;
}

/** The origin that an unverified checkpoint claims: to find the key with, never to trust. Throws as parseNote does. */
export function claimedOrigin(bytes: Uint8Array): string {
  return parseCheckpointText(parseNote(bytes).text).origin;
}

function malformed(why: string): never {
  throw new TrustError("checkpoint.malformed", `cannot read a checkpoint: ${why}`);
}
