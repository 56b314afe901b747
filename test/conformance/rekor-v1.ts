import { createHash } from "node:crypto";

import {
  canonicalJson,
  checkInclusion,
  ecdsaNoteVerifier,
  encodeBase64,
  encodeHex,
  equalBytes,
  leafHash,
  openCheckpoint,
  parseBundle,
  parseCheckpointText,
  parseNote,
  parseTrustBundle,
  PublicKey,
  sha256,
  TrustError,
  writeUtf8,
} from "../../src/core/trust/index.ts";
import type { LogEntry } from "../../src/core/trust/index.ts";

interface TrustedLog {
  readonly baseUrl: string;
  readonly publicKey: { readonly rawBytes: string };
  readonly logId: { readonly keyId: string };
}

/**
 * Verifies a key-signed bundle over an artifact whose entry is a Rekor v1 `hashedrekord` 0.0.1, with the parts of the
 * core. The doors accept 0.0.2 alone, so this composition lives with the suite that needs it.
 */
export function verifyRekorV1(
  bundleBytes: Uint8Array,
  artifact: Uint8Array,
  keyPem: string | null,
  logs: readonly TrustedLog[],
): void {
  const bundle = parseBundle(bundleBytes);
  if (keyPem === null) throw new TrustError("signer.unknown", "cannot verify without a key");
  const [anchor] = parseTrustBundle(keyPem);
  if (anchor === undefined || anchor.key.keyId !== bundle.hint)
    throw new TrustError("signer.unknown", "cannot verify with another key");
  if (bundle.content.kind !== "message")
    throw new TrustError("bundle.unsupported", "wanted a message signature");
  const { digest, signature } = bundle.content.message;
  if (digest !== null && !equalBytes(digest, sha256(artifact)))
    throw new TrustError("subject.mismatch", "another artifact");
  anchor.key.checkSignature(artifact, signature);
  if (bundle.entries.length === 0) throw new TrustError("log.missing", "wanted an entry");
  for (const entry of bundle.entries) verifyEntry(entry, bodyOf(artifact, signature, keyPem), logs);
}

function bodyOf(artifact: Uint8Array, signature: Uint8Array, keyPem: string): Uint8Array {
  const hash = { algorithm: "sha256", value: createHash("sha256").update(artifact).digest("hex") };
  const publicKey = { content: encodeBase64(writeUtf8(keyPem)) };
  return canonicalJson({
    apiVersion: "0.0.1",
    kind: "hashedrekord",
    spec: { data: { hash }, signature: { content: encodeBase64(signature), publicKey } },
  });
}

function verifyEntry(entry: LogEntry, expected: Uint8Array, logs: readonly TrustedLog[]): void {
  const { proof, promise } = entry;
  const log = logs.find((known) => known.logId.keyId === encodeBase64(entry.logId));
  if (log === undefined || proof === null || promise === null)
    throw new TrustError("log.unknown", "wanted a known log and a proof");
  if (!equalBytes(entry.body, expected))
    throw new TrustError("log.entry-mismatch", "another entry");
  const key = PublicKey.fromSpki(Uint8Array.from(Buffer.from(log.publicKey.rawBytes, "base64")));
  const note = writeUtf8(proof.checkpoint);
  const origin = parseCheckpointText(parseNote(note).text).origin;
  const checkpoint = openCheckpoint(
    note,
    ecdsaNoteVerifier(new URL(log.baseUrl).hostname, key),
    origin,
  );
  checkInclusion(leafHash(expected), proof.index, checkpoint.size, proof.hashes, checkpoint.root);
  const promised = {
    body: encodeBase64(entry.body),
    integratedTime: Number(entry.integratedTime),
    logID: encodeHex(entry.logId),
    logIndex: Number(entry.index),
  };
  key.checkSignature(canonicalJson(promised), promise);
}
