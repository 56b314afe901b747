export { CodedError, quote } from "./coded-error.ts";
export { TRUST_CODES, TrustError, type TrustCode } from "./trust-error.ts";
export {
  concatBytes,
  decodeBase64,
  decodeBase64Url,
  decodeHex,
  encodeBase64,
  encodeBase64Url,
  encodeHex,
  uuidText,
  equalBytes,
  readUtf8,
  writeUtf8,
} from "./encodings.ts";
export { formatInstant, instantMs, parseInstant } from "./instant.ts";
export {
  asHash,
  digestBytes,
  digestFromBytes,
  digestHex,
  digestOf,
  HASH_BYTES,
  parseDigest,
  sha256,
  type BuildDigest,
  type Digest,
  type DigestKind,
  type DocumentDigest,
  type EnvelopeDigest,
  type FileDigest,
  type Hash,
  type ManifestDigest,
  type Sha256Digest,
  type SpkiDigest,
  type VerdictDigest,
} from "./digest.ts";
export {
  MAX_JSON_DEPTH,
  parseStrictJson,
  type JsonLimits,
  type JsonObject,
  type JsonValue,
} from "./strict-json.ts";
export { canonicalJson } from "./canonical-json.ts";
export { ObjectReader, type TextRule } from "./object-reader.ts";
export {
  checkSignatureAs,
  MAX_SIGNATURE_BYTES,
  SIGNATURE_SCHEMES,
  type SignatureScheme,
} from "./signature-scheme.ts";
export { KEY_ALGORITHMS, MAX_SPKI_BYTES, PublicKey, type KeyAlgorithm } from "./public-key.ts";
export { createSigner, newPrivateKey, type Signer } from "./signer.ts";
export {
  MAX_ENVELOPE_BYTES,
  openEnvelope,
  pae,
  parseEnvelope,
  serializeEnvelope,
  signEnvelope,
  type Envelope,
} from "./dsse.ts";
export { MAX_TOKEN_CHARS, openToken, sealToken, TOKEN_TYPES, type TokenType } from "./token.ts";
export {
  DOCUMENT_KINDS,
  DOCUMENT_VERSION,
  documentPayloadType,
  documentTimes,
  MAX_ISSUED_AHEAD_MS,
  openDocument,
  sealDocument,
  type DocumentBody,
  type DocumentKind,
  type OpenedDocument,
} from "./document.ts";
export {
  buildReleaseStatement,
  IN_TOTO_PAYLOAD_TYPE,
  IN_TOTO_STATEMENT_TYPE,
  MAX_STATEMENT_BYTES,
  parseReleaseStatement,
  RELEASE_KINDS,
  RELEASE_PREDICATE_TYPE,
  RELEASE_VERSION,
  releaseKindOf,
  releaseMediaType,
  type ReleaseKind,
  type ReleaseStatement,
} from "./statement.ts";
export { HASHED_REKORD, hashedRekordBody } from "./hashed-rekord.ts";
export {
  buildBundle,
  BUNDLE_MEDIA_TYPE,
  completeBundle,
  logEntryOf,
  MAX_BUNDLE_BYTES,
  MAX_LOG_ENTRIES,
  parseBundle,
  signRelease,
  type Bundle,
  type LogEntry,
  type LogEvidence,
  type LogProof,
  type MessageSignature,
} from "./bundle.ts";
export { parseTrustBundle, type PemAnchor } from "./trust-bundle.ts";
export {
  DOORS,
  joinTrust,
  parseTrustRootBody,
  trustRootJson,
  trustRootOf,
  unscopedMessage,
  type Anchor,
  type Door,
  type Scope,
  type TrustRoot,
  type TrustRootBody,
} from "./trust-root.ts";
export { logKeyOf, type LogKey } from "./log-key.ts";
export {
  cosignatureMessage,
  ecdsaNoteVerifier,
  formatVerifierKey,
  MAX_NOTE_BYTES,
  MAX_NOTE_SIGNATURES,
  NOTE_TYPES,
  noteSigner,
  openNote,
  parseNote,
  parseVerifierKey,
  signNote,
  type NoteSignature,
  type NoteSigner,
  type NoteVerifier,
  type OpenedNote,
  type ParsedNote,
} from "./note.ts";
export {
  claimedOrigin,
  formatCheckpoint,
  openCheckpoint,
  parseCheckpointText,
  type Checkpoint,
} from "./checkpoint.ts";
export {
  checkConsistency,
  checkInclusion,
  checkSubtreeConsistency,
  checkSubtreeInclusion,
  EMPTY_ROOT,
  leafHash,
  MAX_PROOF_HASHES,
  nodeHash,
} from "./merkle.ts";
export {
  decodeEntries,
  decodeHashes,
  encodeEntries,
  entriesPath,
  hashOver,
  MAX_ENTRY_BYTES,
  TILE_LEVELS,
  TILE_WIDTH,
  tilePath,
} from "./tile.ts";
export { TreeHasher } from "./tree-hasher.ts";
export {
  foldNodes,
  perfectNodes,
  planConsistency,
  planInclusion,
  type ProofPart,
  type TreeNode,
} from "./proof-plan.ts";
export { checkLog, runLogCheck, type LogCheck, type LogReport } from "./check-log.ts";
export { releaseKnownAnswer } from "./known-answer.ts";
export { Verified } from "./verified.ts";
export type { LogPosition } from "./verify-log-entry.ts";
export {
  RELEASE_ALLOW_CODES,
  RELEASE_STEPS,
  releaseSigner,
  verifyRelease,
  type ExpectedRelease,
  type Release,
  type ReleaseAllowCode,
  type ReleaseQuestion,
  type ReleaseResult,
  type ReleaseStep,
  type ReleaseStepName,
} from "./verify-release.ts";
