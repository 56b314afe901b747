import { canonicalJson } from "./canonical-json.ts";
import { digestOf } from "./digest.ts";
import type { DocumentDigest } from "./digest.ts";
import {
  MAX_ENVELOPE_BYTES,
  openEnvelope,
  parseEnvelope,
  serializeEnvelope,
  signEnvelope,
} from "./dsse.ts";
import { equalBytes } from "./encodings.ts";
import { formatInstant, instantMs } from "./instant.ts";
import { ObjectReader } from "./object-reader.ts";
import type { PublicKey } from "./public-key.ts";
import type { Signer } from "./signer.ts";
import { parseStrictJson } from "./strict-json.ts";
import type { JsonObject } from "./strict-json.ts";
import { TrustError } from "./trust-error.ts";

/** Caisson's own signed documents; a kind outside this list does not exist. */
export const DOCUMENT_KINDS = [
  "trust-root",
  "grant",
  "snapshot",
  "fence",
  "lease",
  "verdict",
  "build",
  "edge-token",
] as const;
export type DocumentKind = (typeof DOCUMENT_KINDS)[number];

/** Version of all bodies. 1: first. */
export const DOCUMENT_VERSION = 1;

/** How far ahead of the reader's clock `issuedAt` may lie: clocks of two machines differ; expiry gets no such slack. */
export const MAX_ISSUED_AHEAD_MS = 30_000;

/** Everything a body has beside its own fields; times are RFC 3339 in UTC. */
export type DocumentBody = JsonObject & {
  readonly v: number;
  readonly issuedAt: string;
  readonly expiresAt: string;
};

export interface OpenedDocument<T> {
  readonly body: T;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly payload: Uint8Array;
  /** SHA-256 of the payload: names the document. */
  readonly digest: DocumentDigest;
  readonly key: PublicKey;
}

export function documentPayloadType(kind: DocumentKind): string {
  return `application/vnd.caisson.${kind}.v1+json`;
}

/** The three fields that every body carries. */
export function documentTimes(
  issuedAt: Date,
  expiresAt: Date,
): { v: number; issuedAt: string; expiresAt: string } {
  return {
    v: DOCUMENT_VERSION,
    issuedAt: formatInstant(issuedAt),
    expiresAt: formatInstant(expiresAt),
  };
}

/** Signs a body as a DSSE envelope over RFC 8785 JSON. Throws TrustError "document.malformed", "json.not-canonical", "json.number". */
export function sealDocument(kind: DocumentKind, body: DocumentBody, signer: Signer): Uint8Array {
  const reader = ObjectReader.of(body, kind);
  readTimes(reader);
  const payload = canonicalJson(body);
  // An integer beyond 2^53 − 1 has a canonical form that no reader accepts: better refused here than at every edge.
  parseStrictJson(payload, { maxBytes: MAX_ENVELOPE_BYTES });
  return serializeEnvelope(signEnvelope(documentPayloadType(kind), payload, signer));
}

/**
 * Proves that `bytes` is a document of this kind, signed by one of `keys`, canonical, valid at `now`, and that
 * `parseBody` read every field of it.
 * bytes: attacker-controlled, at most MAX_ENVELOPE_BYTES; parseBody: reads the fields beside v, issuedAt, expiresAt.
 * Throws TrustError "envelope.…", "document.signer", "signature.invalid", "json.…", "document.malformed",
 * "document.version", "document.not-yet-valid", "document.expired", and what parseBody throws.
 */
export function openDocument<T>(
  kind: DocumentKind,
  bytes: Uint8Array,
  keys: readonly PublicKey[],
  now: Date,
  parseBody: (reader: ObjectReader) => T,
): OpenedDocument<T> {
  const envelope = parseEnvelope(bytes, { maxBytes: MAX_ENVELOPE_BYTES });
  const key = openEnvelope(envelope, documentPayloadType(kind), keys); // stops: forged, moved between kinds, other signer
  const value = parseStrictJson(envelope.payload, { maxBytes: MAX_ENVELOPE_BYTES });
  if (!equalBytes(canonicalJson(value), envelope.payload))
    throw new TrustError(
      "json.not-canonical",
      `cannot open ${kind}: the payload is not RFC 8785 JSON`,
    );
  const reader = ObjectReader.of(value, kind);
  const { issuedAt, expiresAt } = readTimes(reader);
  checkWindow(kind, issuedAt, expiresAt, now); // stops: replay of an old document
  const body = parseBody(reader);
  reader.end(); // stops: a field that another version acts on
  return {
    body,
    issuedAt,
    expiresAt,
    payload: envelope.payload,
    digest: digestOf("document", envelope.payload),
    key,
  };
}

function readTimes(reader: ObjectReader): { issuedAt: Date; expiresAt: Date } {
  const version = reader.integer("v", { min: 1 });
  if (version !== DOCUMENT_VERSION)
    throw new TrustError(
      "document.version",
      `cannot read ${reader.path} of version ${version}: wanted ${DOCUMENT_VERSION}`,
    );
  const issuedAt = reader.instant("issuedAt");
  const expiresAt = reader.instant("expiresAt");
  if (expiresAt <= issuedAt) reader.refuse("expiresAt", "a time after issuedAt");
  return { issuedAt, expiresAt };
}

function checkWindow(kind: DocumentKind, issuedAt: Date, expiresAt: Date, now: Date): void {
  const at = instantMs(now);
  if (issuedAt.getTime() > at + MAX_ISSUED_AHEAD_MS)
    throw new TrustError(
      "document.not-yet-valid",
      `cannot open ${kind}: issued at ${formatInstant(issuedAt)}, the clock says ${formatInstant(now)}`,
    );
  if (expiresAt.getTime() <= at)
    throw new TrustError(
      "document.expired",
      `cannot open ${kind}: expired at ${formatInstant(expiresAt)}, the clock says ${formatInstant(now)}`,
    );
}
