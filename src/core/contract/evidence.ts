import { decodeBase64, encodeBase64, ObjectReader, parseStrictJson } from "#trust";
import { limits, MIB } from "./limits.ts";

/** What proves a verdict's entry in the audit log: the leaf is SHA-256(salt ‖ record). */
export interface AuditEvidence {
  readonly index: number;
  readonly salt: Uint8Array;
  /** RFC 8785 JSON of the audit record. */
  readonly record: Uint8Array;
  readonly proof: readonly Uint8Array[];
  /** Signed note; its tree is the one that the proof is of. */
  readonly checkpoint: Uint8Array;
}

export interface VerdictEvidence {
  /** DSSE envelope under the verdict key. */
  readonly document: Uint8Array;
  readonly audit: AuditEvidence;
  /** The trust root that the door judged with, as it was sealed. */
  readonly trustRoot: Uint8Array;
}

export interface ArtifactEvidence {
  readonly manifest: Uint8Array;
  readonly config: Uint8Array;
  readonly component: Uint8Array;
  /** The completed bundle that the doors verified. */
  readonly bundle: Uint8Array;
}

/** What control says of a call; nothing signs it. */
export interface StatedExecution {
  readonly requestId: string;
  readonly extension: string;
  readonly version: string;
  readonly contentHash: string;
  readonly outcome: string;
  readonly code: string;
  readonly status: number;
  readonly openedAt: string;
}

/** One file that lets anybody judge again what a door judged, without a server. */
export interface Evidence {
  readonly execution: StatedExecution | null;
  /** The verdict that was asked for comes first; then those that it stands on. */
  readonly verdicts: readonly VerdictEvidence[];
  /** The grant that the install verdict led to; null for a verdict that granted nothing. */
  readonly grant: Uint8Array | null;
  /** Null where the refused bytes were not kept. */
  readonly artifact: ArtifactEvidence | null;
}

export const MAX_EVIDENCE_BYTES = 256 * MIB;
const MAX_PROOF = 64;
const MAX_SMALL = MIB;

export function evidenceText({ execution, verdicts, grant, artifact }: Evidence): string {
  const value = {
    v: 1,
    execution,
    verdicts: verdicts.map(({ document, audit, trustRoot }) => ({
      document: encodeBase64(document),
      trustRoot: encodeBase64(trustRoot),
      audit: {
        index: audit.index,
        salt: encodeBase64(audit.salt),
        record: encodeBase64(audit.record),
        proof: audit.proof.map((hash) => encodeBase64(hash)),
        checkpoint: encodeBase64(audit.checkpoint),
      },
    })),
    grant: grant === null ? null : encodeBase64(grant),
    artifact:
      artifact === null
        ? null
        : {
            manifest: encodeBase64(artifact.manifest),
            config: encodeBase64(artifact.config),
            component: encodeBase64(artifact.component),
            bundle: encodeBase64(artifact.bundle),
          },
  };
  return `${JSON.stringify(value)}\n`;
}

/** bytes: attacker-controlled. Throws TrustError where it is not evidence; whether it holds is for the replay to say. */
export function parseEvidence(bytes: Uint8Array): Evidence {
  const reader = ObjectReader.of(
    parseStrictJson(bytes, { maxBytes: MAX_EVIDENCE_BYTES }),
    "evidence",
  );
  reader.literal("v", 1);
  const evidence: Evidence = {
    execution: isNull(reader, "execution") ? null : readExecution(reader.object("execution")),
    verdicts: reader.objects("verdicts", { max: 4 }, readVerdict),
    grant: isNull(reader, "grant") ? null : reader.base64("grant", { maxBytes: MAX_SMALL }),
    artifact: isNull(reader, "artifact") ? null : readArtifact(reader.object("artifact")),
  };
  reader.end();
  return evidence;
}

function isNull(reader: ObjectReader, name: string): boolean {
  return reader.value(name) === null;
}

function readExecution(reader: ObjectReader): StatedExecution {
  return {
    requestId: reader.string("requestId", { max: 100 }),
    extension: reader.string("extension", { max: 100 }),
    version: reader.string("version", { max: 100 }),
    contentHash: reader.string("contentHash", { max: 100 }),
    outcome: reader.string("outcome", { max: 100 }),
    code: reader.string("code", { max: 100 }),
    status: reader.integer("status", { max: 999 }),
    openedAt: reader.string("openedAt", { max: 100 }),
  };
}

function readVerdict(reader: ObjectReader): VerdictEvidence {
  return {
    document: reader.base64("document", { maxBytes: MAX_SMALL }),
    trustRoot: reader.base64("trustRoot", { maxBytes: MAX_SMALL }),
    audit: readAudit(reader.object("audit")),
  };
}

function readAudit(reader: ObjectReader): AuditEvidence {
  return {
    index: reader.integer("index"),
    salt: reader.base64("salt", { maxBytes: 32 }),
    record: reader.base64("record", { maxBytes: MAX_SMALL }),
    proof: reader
      .strings("proof", { max: 44, maxItems: MAX_PROOF })
      .map((hash) => decodeBase64(hash, { maxBytes: 32 })),
    checkpoint: reader.base64("checkpoint", { maxBytes: MAX_SMALL }),
  };
}

function readArtifact(reader: ObjectReader): ArtifactEvidence {
  return {
    manifest: reader.base64("manifest", { maxBytes: limits.manifestBytes.value }),
    config: reader.base64("config", { maxBytes: limits.configBytes.value }),
    component: reader.base64("component", { maxBytes: limits.artifactFileBytes.value }),
    bundle: reader.base64("bundle", { maxBytes: limits.bundleBytes.value }),
  };
}
