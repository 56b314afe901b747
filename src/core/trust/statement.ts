import { canonicalJson } from "./canonical-json.ts";
import { quote } from "./coded-error.ts";
import { digestHex, parseDigest } from "./digest.ts";
import type { ManifestDigest } from "./digest.ts";
import { formatInstant } from "./instant.ts";
import { ObjectReader } from "./object-reader.ts";
import { parseStrictJson } from "./strict-json.ts";
import type { JsonValue } from "./strict-json.ts";
import { TrustError } from "./trust-error.ts";

export const IN_TOTO_PAYLOAD_TYPE = "application/vnd.in-toto+json";
export const IN_TOTO_STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
export const RELEASE_PREDICATE_TYPE = "urn:caisson:release:v1";

/** Version of the predicate. 1: first. */
export const RELEASE_VERSION = 1;
export const MAX_STATEMENT_BYTES = 256 * 1_024;

export const RELEASE_KINDS = ["extension", "module", "script"] as const;
export type ReleaseKind = (typeof RELEASE_KINDS)[number];

const SLUG = /^[a-z0-9][a-z0-9-]{0,38}$/;
const VERSION =
  /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;
const PLATFORM = /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9]+)?$/;

/** What a publisher says about one manifest. The name is part of what is signed: a signature cannot be moved to another. */
export interface ReleaseStatement {
  readonly publisher: string;
  readonly name: string;
  readonly version: string;
  readonly channel: "stable";
  /** artifactType of the manifest: application/vnd.caisson.<kind>.v1. */
  readonly mediaType: string;
  /** `os/arch` of an artifact that runs on one platform only. */
  readonly platform?: string;
  readonly issuedAt: Date;
  readonly expiresAt?: Date;
  readonly manifestDigest: ManifestDigest;
}

export function releaseMediaType(kind: ReleaseKind): string {
  return `application/vnd.caisson.${kind}.v1`;
}

/** The kind that a media type stands for, or undefined. */
export function releaseKindOf(mediaType: string): ReleaseKind | undefined {
  return RELEASE_KINDS.find((kind) => releaseMediaType(kind) === mediaType);
}

/** RFC 8785 bytes of the in-toto v1 statement. Throws TrustError "statement.malformed" for fields outside their form. */
export function buildReleaseStatement(release: ReleaseStatement): Uint8Array {
  const payload = canonicalJson({
    _type: IN_TOTO_STATEMENT_TYPE,
    subject: [
      { name: subjectName(release), digest: { sha256: digestHex(release.manifestDigest) } },
    ],
    predicateType: RELEASE_PREDICATE_TYPE,
    predicate: predicateJson(release),
  });
  parseReleaseStatement(payload);
  return payload;
}

/**
 * Reads a release statement: in-toto v1, exactly one subject, named as the predicate says, no unknown field.
 * payload: attacker-controlled until its signature was checked.
 * Throws TrustError "statement.type" for another statement, "statement.malformed", or a "json.…" code.
 */
export function parseReleaseStatement(payload: Uint8Array): ReleaseStatement {
  const reader: ObjectReader = ObjectReader.of(
    parseStrictJson(payload, { maxBytes: MAX_STATEMENT_BYTES }),
    "statement",
    "statement.malformed",
  );
  requireType(reader, "_type", IN_TOTO_STATEMENT_TYPE);
  requireType(reader, "predicateType", RELEASE_PREDICATE_TYPE);
  const subjects = reader.objects("subject", { max: 1 }, readSubject);
  const predicate = readPredicate(reader.object("predicate"));
  reader.end();
  const [subject] = subjects;
  if (subject === undefined) reader.refuse("subject", "exactly one subject");
  if (subject.name !== subjectName(predicate))
    reader.refuse("subject", `a subject named ${quote(subjectName(predicate))}`);
  return { ...predicate, manifestDigest: subject.digest };
}

function requireType(reader: ObjectReader, field: string, wanted: string): void {
  const found = reader.string(field);
  if (found !== wanted)
    throw new TrustError(
      "statement.type",
      `cannot take a statement with ${field} ${quote(found)} for a release: wanted ${quote(wanted)}`,
    );
}

function readSubject(reader: ObjectReader): { name: string; digest: ManifestDigest } {
  const name = reader.string("name", { max: 512 });
  const digests = reader.object("digest");
  const digest = parseDigest(
    "manifest",
    `sha256:${digests.string("sha256", { pattern: /^[a-f0-9]{64}$/ })}`,
  );
  return { name, digest };
}

type Predicate = Omit<ReleaseStatement, "manifestDigest">;

function readPredicate(reader: ObjectReader): Predicate {
  reader.literal("v", RELEASE_VERSION);
  const platform = reader.optionalString("platform", { max: 64, pattern: PLATFORM });
  const expiresAt = reader.optionalInstant("expiresAt");
  return {
    publisher: reader.string("publisher", { pattern: SLUG }),
    name: reader.string("name", { pattern: SLUG }),
    version: reader.string("version", { max: 128, pattern: VERSION }),
    channel: reader.literal("channel", "stable"),
    mediaType: reader.oneOf("mediaType", RELEASE_KINDS.map(releaseMediaType)),
    ...(platform === undefined ? {} : { platform }),
    issuedAt: reader.instant("issuedAt"),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

function predicateJson(release: Predicate): JsonValue {
  return {
    v: RELEASE_VERSION,
    publisher: release.publisher,
    name: release.name,
    version: release.version,
    channel: release.channel,
    mediaType: release.mediaType,
    ...(release.platform === undefined ? {} : { platform: release.platform }),
    issuedAt: formatInstant(release.issuedAt),
    ...(release.expiresAt === undefined ? {} : { expiresAt: formatInstant(release.expiresAt) }),
  };
}

function subjectName(release: Pick<ReleaseStatement, "publisher" | "name" | "version">): string {
  return `${release.publisher}.${release.name}@${release.version}`;
}
