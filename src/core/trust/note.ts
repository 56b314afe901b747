import { quote } from "./coded-error.ts";
import { sha256 } from "./digest.ts";
import {
  concatBytes,
  decodeBase64,
  decodeHex,
  encodeBase64,
  encodeHex,
  equalBytes,
  readUtf8,
  writeUtf8,
} from "./encodings.ts";
import { PublicKey } from "./public-key.ts";
import type { Signer } from "./signer.ts";
import { TrustError } from "./trust-error.ts";

/** C2SP signed-note: bounds on what is read before anything is checked. */
export const MAX_NOTE_BYTES = 1_048_576;
export const MAX_NOTE_SIGNATURES = 64;
const MAX_NAME = 256;
const KEY_HASH_BYTES = 4;
const MAX_NOTE_SIGNATURE_BYTES = 8_192;

/** Signature types of C2SP signed-note that have a type byte. */
export const NOTE_TYPES = { ed25519: 0x01, cosignature: 0x04 } as const;

/** Checks one name's signatures on notes. Identified by name and key hash; two keys of one name are two verifiers. */
export interface NoteVerifier {
  readonly name: string;
  /** 4 bytes. */
  readonly keyHash: Uint8Array;
  /** Throws TrustError "signature.invalid". text: the note's text with its last newline. */
  check(text: string, signature: Uint8Array): void;
}

export interface NoteSigner {
  readonly name: string;
  readonly keyHash: Uint8Array;
  readonly verifierKey: string;
  sign(text: string): Uint8Array;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyHash: Uint8Array;
  readonly signature: Uint8Array;
}

export interface ParsedNote {
  /** With its last newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface OpenedNote extends ParsedNote {
  readonly verifiedBy: readonly NoteVerifier[];
}

const ED25519_SPKI_PREFIX = decodeHex("302a300506032b6570032100");

/** Reads `name+hash+base64(type ‖ key)` for Ed25519 (0x01) and Ed25519 cosignatures (0x04). Throws "key.malformed", "key.unsupported". */
export function parseVerifierKey(
  text: string,
): NoteVerifier & { readonly publicKey: PublicKey; readonly type: number } {
  const [, name, hash, encoded] =
    /^([^+\s]{1,256})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,128})$/u.exec(text) ?? [];
  if (name === undefined || hash === undefined || encoded === undefined)
    throw new TrustError(
      "key.malformed",
      `cannot read verifier key ${quote(text)}: wanted name+hash+key`,
    );
  const bytes = decodeBase64(encoded, { maxBytes: 64 });
  const [type] = bytes;
  if ((type !== NOTE_TYPES.ed25519 && type !== NOTE_TYPES.cosignature) || bytes.length !== 33)
    throw new TrustError(
      "key.unsupported",
      `cannot use verifier key ${quote(text)}: wanted an Ed25519 key or cosignature key`,
    );
  const keyHash = noteKeyHash(name, bytes).slice(0, KEY_HASH_BYTES);
  if (!equalBytes(keyHash, decodeHex(hash)))
    throw new TrustError(
      "key.malformed",
      `cannot read verifier key ${quote(text)}: its hash is another key's`,
    );
  const publicKey = PublicKey.fromSpki(concatBytes(ED25519_SPKI_PREFIX, bytes.slice(1)));
  return type === NOTE_TYPES.ed25519
    ? {
        name,
        keyHash,
        publicKey,
        type,
        check: (body, signature) => publicKey.checkSignature(writeUtf8(body), signature),
      }
    : {
        name,
        keyHash,
        publicKey,
        type,
        check: (body, signature) => checkCosignature(publicKey, body, signature),
      };
}

/** A verifier for logs whose notes are signed by an ECDSA key: key hash = SHA-256(SPKI)[:4] (C2SP signed-note). */
export function ecdsaNoteVerifier(name: string, publicKey: PublicKey): NoteVerifier {
  return {
    name,
    keyHash: sha256(publicKey.spki).slice(0, KEY_HASH_BYTES),
    check: (text, signature) => publicKey.checkSignature(writeUtf8(text), signature),
  };
}

/** Signs notes as `name` with an Ed25519 signer. Throws TrustError "key.unsupported", "key.malformed" (name). */
export function noteSigner(name: string, signer: Signer): NoteSigner {
  if (signer.algorithm !== "ed25519")
    throw new TrustError(
      "key.unsupported",
      `cannot sign notes with ${signer.algorithm}: wanted ed25519`,
    );
  const verifierKey = formatVerifierKey(name, signer.publicKey);
  const { keyHash } = parseVerifierKey(verifierKey);
  return { name, keyHash, verifierKey, sign: (text) => signer.sign(writeUtf8(text)) };
}

/** Writes `name+hash+key` for an Ed25519 key. */
export function formatVerifierKey(name: string, publicKey: PublicKey): string {
  if (!validName(name))
    throw new TrustError(
      "key.malformed",
      `cannot name a note key ${quote(name)}: wanted no space and no plus`,
    );
  if (publicKey.algorithm !== "ed25519")
    throw new TrustError(
      "key.unsupported",
      `cannot write a verifier key of ${publicKey.algorithm}: wanted ed25519`,
    );
  const bytes = concatBytes(
    Uint8Array.of(NOTE_TYPES.ed25519),
    publicKey.spki.slice(ED25519_SPKI_PREFIX.length),
  );
  return `${name}+${encodeHex(noteKeyHash(name, bytes).slice(0, KEY_HASH_BYTES))}+${encodeBase64(bytes)}`;
}

/** SHA-256(name ‖ 0x0A ‖ type ‖ key), untruncated: what Rekor v2 writes as the log's id; a note carries its first 4 bytes. */
export function noteKeyHash(name: string, typedKey: Uint8Array): Uint8Array {
  return sha256(writeUtf8(`${name}\n`), typedKey);
}

/** text: lines, each ended by a newline. Throws TrustError "note.malformed". */
export function signNote(text: string, signers: readonly NoteSigner[]): Uint8Array {
  const lines = signers.map((signer) =>
    signatureLine(signer.name, signer.keyHash, signer.sign(text)),
  );
  const note = writeUtf8(`${text}\n${lines.join("")}`);
  parseNote(note);
  return note;
}

/**
 * Splits a note: the text ends at the *last* empty line, signatures follow. Nothing is verified yet.
 * bytes: attacker-controlled, at most MAX_NOTE_BYTES. Throws TrustError "note.malformed", "utf8.malformed", "base64.malformed".
 */
export function parseNote(bytes: Uint8Array): ParsedNote {
  if (bytes.length > MAX_NOTE_BYTES)
    malformed(`it has ${bytes.length} bytes, wanted at most ${MAX_NOTE_BYTES}`);
  const whole = readUtf8(bytes);
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0009\u000b-\u001f\u007f]/.test(whole)) malformed("it has control characters");
  const split = whole.lastIndexOf("\n\n");
  if (split < 0 || !whole.endsWith("\n"))
    malformed("wanted text, an empty line and signature lines");
  const lines = whole.slice(split + 2, -1).split("\n");
  if (split + 2 >= whole.length || lines.length > MAX_NOTE_SIGNATURES)
    malformed(`wanted 1 to ${MAX_NOTE_SIGNATURES} signature lines`);
  return { text: whole.slice(0, split + 1), signatures: lines.map(parseSignatureLine) };
}

/**
 * Proves that at least one of `verifiers` signed the note. A bad signature of a known key drops the whole note;
 * unknown keys are ignored; a key that signed twice counts once.
 * Throws TrustError "note.malformed", "signature.invalid", "note.unverified".
 */
export function openNote(bytes: Uint8Array, verifiers: readonly NoteVerifier[]): OpenedNote {
  const note = parseNote(bytes);
  const verifiedBy = new Set<NoteVerifier>();
  for (const { name, keyHash, signature } of note.signatures) {
    const verifier = verifiers.find(
      (known) => known.name === name && equalBytes(known.keyHash, keyHash),
    );
    if (verifier === undefined) continue;
    verifier.check(note.text, signature);
    verifiedBy.add(verifier);
  }
  if (verifiedBy.size === 0)
    throw new TrustError("note.unverified", "cannot accept a note: no known key signed it");
  return { ...note, verifiedBy: [...verifiedBy] };
}

/** The message of an Ed25519 cosignature at a time in seconds (C2SP tlog-cosignature, section "Format"). */
export function cosignatureMessage(text: string, seconds: bigint): string {
  return `cosignature/v1\ntime ${seconds}\n${text}`;
}

function checkCosignature(publicKey: PublicKey, text: string, signature: Uint8Array): void {
  if (signature.length !== 72)
    throw new TrustError(
      "signature.invalid",
      "cannot accept a cosignature: wanted a time and 64 bytes",
    );
  const seconds = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0);
  publicKey.checkSignature(writeUtf8(cosignatureMessage(text, seconds)), signature.slice(8));
}

function signatureLine(name: string, keyHash: Uint8Array, signature: Uint8Array): string {
  return `— ${name} ${encodeBase64(concatBytes(keyHash, signature))}\n`;
}

function parseSignatureLine(line: string): NoteSignature {
  const [, name, encoded] = /^— (\S+) (\S+)$/u.exec(line) ?? [];
  if (name === undefined || encoded === undefined || !validName(name))
    malformed(`wanted a signature line, not ${quote(line)}`);
  const bytes = decodeBase64(encoded, { maxBytes: MAX_NOTE_SIGNATURE_BYTES });
  if (bytes.length <= KEY_HASH_BYTES) malformed("wanted a key hash and a signature");
  return { name, keyHash: bytes.slice(0, KEY_HASH_BYTES), signature: bytes.slice(KEY_HASH_BYTES) };
}

function validName(name: string): boolean {
  return name.length > 0 && name.length <= MAX_NAME && !/[+\s]/u.test(name) && name.isWellFormed();
}

function malformed(why: string): never {
  throw new TrustError("note.malformed", `cannot read a note: ${why}`);
}
