import { canonicalJson } from "./canonical-json.ts";
import { asHash } from "./digest.ts";
import type { Hash } from "./digest.ts";
import { envelopeJson, pae, readEnvelope, signEnvelope } from "./dsse.ts";
import type { Envelope } from "./dsse.ts";
import { encodeBase64, equalBytes, readUtf8 } from "./encodings.ts";
import { HASHED_REKORD, hashedRekordBody } from "./hashed-rekord.ts";
import type { LogKey } from "./log-key.ts";
import { MAX_PROOF_HASHES } from "./merkle.ts";
import { ObjectReader } from "./object-reader.ts";
import type { PublicKey } from "./public-key.ts";
import { MAX_SIGNATURE_BYTES } from "./signature-scheme.ts";
import type { Signer } from "./signer.ts";
import { buildReleaseStatement, IN_TOTO_PAYLOAD_TYPE } from "./statement.ts";
import type { ReleaseStatement } from "./statement.ts";
import { parseStrictJson } from "./strict-json.ts";
import type { JsonObject, JsonValue } from "./strict-json.ts";
import { TrustError } from "./trust-error.ts";

export const BUNDLE_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const BUNDLE_MEDIA_TYPES = [
  BUNDLE_MEDIA_TYPE,
  "application/vnd.dev.sigstore.bundle+json;version=0.3",
];

/** Bounds before parsing (stops: endless data). */
export const MAX_BUNDLE_BYTES = 1_048_576;
export const MAX_LOG_ENTRIES = 32;
const MAX_TIMESTAMPS = 32;
const MAX_ENTRY_BYTES = 65_535;
const INT64_MAX = (1n << 63n) - 1n;

/** One transparency log entry as the bundle tells it: nothing here is verified. */
export interface LogEntry {
  readonly index: bigint;
  readonly logId: Uint8Array;
  readonly kind: string;
  readonly version: string;
  readonly integratedTime: bigint;
  readonly promise: Uint8Array | null;
  readonly proof: LogProof | null;
  readonly body: Uint8Array;
}

export interface LogProof {
  readonly index: bigint;
  readonly size: bigint;
  readonly root: Hash;
  readonly hashes: readonly Hash[];
  readonly checkpoint: string;
}

export interface MessageSignature {
  readonly digest: Uint8Array | null;
  readonly signature: Uint8Array;
}

/** A Sigstore bundle v0.3 with key material: what it says, not what is true. */
export interface Bundle {
  /** Attacker-controlled name of the key. */
  readonly hint: string;
  readonly content:
    | { readonly kind: "envelope"; readonly envelope: Envelope }
    | { readonly kind: "message"; readonly message: MessageSignature };
  readonly entries: readonly LogEntry[];
  /** RFC 3161 tokens, carried and not read. */
  readonly timestamps: readonly Uint8Array[];
}

/** What a log answers for an appended entry. */
export interface LogEvidence {
  readonly logKey: LogKey;
  readonly index: bigint;
  readonly size: bigint;
  readonly root: Hash;
  readonly proof: readonly Hash[];
  /** Signed note. */
  readonly checkpoint: Uint8Array;
  readonly body: Uint8Array;
}

/**
 * Reads a bundle. bytes: attacker-controlled, at most MAX_BUNDLE_BYTES.
 * Throws TrustError "bundle.malformed", "bundle.unsupported" (another version), "chain.unsupported" (certificates), "json.…".
 */
export function parseBundle(bytes: Uint8Array): Bundle {
  const reader = ObjectReader.of(
    parseStrictJson(bytes, { maxBytes: MAX_BUNDLE_BYTES }),
    "bundle",
    "bundle.malformed",
  );
  const mediaType = reader.string("mediaType", { max: 128 });
  if (!BUNDLE_MEDIA_TYPES.includes(mediaType))
    throw new TrustError(
      "bundle.unsupported",
      `cannot read a bundle of another version: wanted ${BUNDLE_MEDIA_TYPE}`,
    );
  const material = readMaterial(reader.object("verificationMaterial"));
  const content = readContent(reader);
  reader.end();
  // A hint and a key id that differ name two keys, and each verifier would pick its own.
  if (
    content.kind === "envelope" &&
    content.envelope.keyId !== "" &&
    content.envelope.keyId !== material.hint
  )
    throw new TrustError(
      "bundle.malformed",
      "cannot read a bundle whose key hint differs from the key id of its envelope",
    );
  return { ...material, content };
}

/** Wraps a signed envelope as a bundle without log entry: what a publisher pushes. */
export function buildBundle(envelope: Envelope, key: PublicKey): Uint8Array {
  return bundleBytes(bundleJson(envelope, key.keyId, []));
}

/** Signs a release statement and wraps it. Throws TrustError "statement.malformed", "key.unsupported" for keys that no log takes. */
export function signRelease(release: ReleaseStatement, signer: Signer): Uint8Array {
  const envelope = signEnvelope(IN_TOTO_PAYLOAD_TYPE, buildReleaseStatement(release), signer);
  hashedRekordBody(signedBytes(envelope), envelope.signature, signer.publicKey);
  return buildBundle(envelope, signer.publicKey);
}

/** Adds the log's answer to a bundle, same envelope, or renews the entry that has its place. Throws as parseBundle does. */
export function completeBundle(bytes: Uint8Array, evidence: LogEvidence): Uint8Array {
  const bundle = parseBundle(bytes);
  if (bundle.content.kind !== "envelope")
    throw new TrustError("bundle.unsupported", "cannot complete a bundle without an envelope");
  const added = entryOf(evidence);
  // The same position again, with a later proof, takes the place of the earlier one: a bundle holds an entry once.
  const others = bundle.entries.filter(
    (entry) => entry.index !== added.index || !equalBytes(entry.logId, added.logId),
  );
  const entries = [...others, added].map(entryJson);
  return bundleBytes(bundleJson(bundle.content.envelope, bundle.hint, entries, bundle.timestamps));
}

/** The log entry for a bundle's envelope under `key`: what is appended. Throws TrustError "bundle.unsupported", "key.unsupported". */
export function logEntryOf(bundle: Bundle, key: PublicKey): Uint8Array {
  if (bundle.content.kind !== "envelope")
    throw new TrustError("bundle.unsupported", "cannot log a bundle without an envelope");
  const { envelope } = bundle.content;
  return hashedRekordBody(signedBytes(envelope), envelope.signature, key);
}

export function signedBytes(envelope: Envelope): Uint8Array {
  return pae(envelope.payloadType, envelope.payload);
}

function readMaterial(reader: ObjectReader): Pick<Bundle, "hint" | "entries" | "timestamps"> {
  if (reader.has("certificate") || reader.has("x509CertificateChain"))
    throw new TrustError(
      "chain.unsupported",
      "cannot verify a bundle with a certificate: wanted a bundle signed by a key",
    );
  const hint = reader.object("publicKey").string("hint", { max: 256 });
  const entries = reader.has("tlogEntries")
    ? reader.objects("tlogEntries", { max: MAX_LOG_ENTRIES }, readEntry)
    : [];
  const stamps = reader.optionalObject("timestampVerificationData");
  const timestamps =
    stamps?.has("rfc3161Timestamps") === true
      ? stamps.objects("rfc3161Timestamps", { max: MAX_TIMESTAMPS }, (item) =>
          item.base64("signedTimestamp", { maxBytes: 65_536 }),
        )
      : [];
  return { hint, entries, timestamps };
}

function readContent(reader: ObjectReader): Bundle["content"] {
  if (reader.has("dsseEnvelope")) {
    if (reader.has("messageSignature"))
      reader.refuse("messageSignature", "one of dsseEnvelope and messageSignature");
    return {
      kind: "envelope",
      envelope: readEnvelope(
        reader.value("dsseEnvelope"),
        "bundle.dsseEnvelope",
        "bundle.malformed",
      ),
    };
  }
  const message = reader.object("messageSignature");
  const digest = message.optionalObject("messageDigest");
  digest?.literal("algorithm", "SHA2_256");
  return {
    kind: "message",
    message: {
      digest: digest?.base64("digest", { maxBytes: 32 }) ?? null,
      signature: message.base64("signature", { maxBytes: MAX_SIGNATURE_BYTES }),
    },
  };
}

function readEntry(reader: ObjectReader): LogEntry {
  const kindVersion = reader.object("kindVersion");
  const promise = reader.optionalObject("inclusionPromise");
  const proof = reader.optionalObject("inclusionProof");
  return {
    index: readInt64(reader, "logIndex"),
    logId: reader.object("logId").base64("keyId", { maxBytes: 32 }),
    kind: kindVersion.string("kind", { max: 64 }),
    version: kindVersion.string("version", { max: 64 }),
    integratedTime: readInt64(reader, "integratedTime"),
    promise: promise?.base64("signedEntryTimestamp", { maxBytes: MAX_SIGNATURE_BYTES }) ?? null,
    proof: proof === undefined ? null : readProof(proof),
    body: reader.base64("canonicalizedBody", { maxBytes: MAX_ENTRY_BYTES }),
  };
}

function readProof(reader: ObjectReader): LogProof {
  const hash = (bytes: Uint8Array, name: string): Hash =>
    bytes.length === 32 ? asHash(bytes) : reader.refuse(name, "hashes of 32 bytes");
  const texts = reader.has("hashes")
    ? reader.strings("hashes", { max: 44, maxItems: MAX_PROOF_HASHES })
    : [];
  return {
    index: readInt64(reader, "logIndex"),
    size: readInt64(reader, "treeSize"),
    root: hash(reader.base64("rootHash", { maxBytes: 32 }), "rootHash"),
    hashes: texts.map((text) => hash(readBase64(reader, text), "hashes")),
    checkpoint: reader.object("checkpoint").string("envelope", { max: 65_536 }),
  };
}

function readBase64(reader: ObjectReader, text: string): Uint8Array {
  return ObjectReader.of({ hashes: text }, reader.path, reader.code).base64("hashes", {
    maxBytes: 32,
  });
}

/** protobuf JSON: int64 as decimal text, or as a number; a zero may be left out. Negative values have no meaning here. */
function readInt64(reader: ObjectReader, name: string): bigint {
  if (!reader.has(name)) return 0n;
  const value = reader.value(name);
  const text = typeof value === "number" && Number.isSafeInteger(value) ? value.toString() : value;
  if (typeof text !== "string" || !/^(?:0|[1-9]\d{0,18})$/.test(text) || BigInt(text) > INT64_MAX)
    reader.refuse(name, "a decimal integer from 0 to 2^63−1");
  return BigInt(text);
}

function entryOf(evidence: LogEvidence): LogEntry {
  return {
    index: evidence.index,
    logId: evidence.logKey.logId,
    ...HASHED_REKORD,
    integratedTime: 0n,
    promise: null,
    proof: {
      index: evidence.index,
      size: evidence.size,
      root: evidence.root,
      hashes: evidence.proof,
      checkpoint: readUtf8(evidence.checkpoint),
    },
    body: evidence.body,
  };
}

function entryJson(entry: LogEntry): JsonObject {
  return {
    logIndex: entry.index.toString(),
    logId: { keyId: encodeBase64(entry.logId) },
    kindVersion: { kind: entry.kind, version: entry.version },
    integratedTime: entry.integratedTime.toString(),
    ...(entry.promise === null
      ? {}
      : { inclusionPromise: { signedEntryTimestamp: encodeBase64(entry.promise) } }),
    ...(entry.proof === null ? {} : { inclusionProof: proofJson(entry.proof) }),
    canonicalizedBody: encodeBase64(entry.body),
  };
}

function proofJson(proof: LogProof): JsonObject {
  return {
    logIndex: proof.index.toString(),
    rootHash: encodeBase64(proof.root),
    treeSize: proof.size.toString(),
    hashes: proof.hashes.map((hash) => encodeBase64(hash)),
    checkpoint: { envelope: proof.checkpoint },
  };
}

function bundleJson(
  envelope: Envelope,
  hint: string,
  entries: readonly JsonValue[],
  timestamps: readonly Uint8Array[] = [],
): JsonObject {
  const stamps = timestamps.map((stamp) => ({ signedTimestamp: encodeBase64(stamp) }));
  return {
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: {
      publicKey: { hint },
      tlogEntries: entries,
      ...(stamps.length === 0 ? {} : { timestampVerificationData: { rfc3161Timestamps: stamps } }),
    },
    dsseEnvelope: envelopeJson(envelope),
  };
}

function bundleBytes(json: JsonObject): Uint8Array {
  const bytes = canonicalJson(json);
  parseBundle(bytes);
  return bytes;
}
