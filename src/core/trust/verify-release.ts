import { parseBundle, signedBytes } from "./bundle.ts";
import type { Bundle } from "./bundle.ts";
import { CodedError, quote } from "./coded-error.ts";
import { digestOf } from "./digest.ts";
import type { EnvelopeDigest, ManifestDigest, SpkiDigest } from "./digest.ts";
import { serializeEnvelope } from "./dsse.ts";
import type { Envelope } from "./dsse.ts";
import { formatInstant, instantMs } from "./instant.ts";
import type { PublicKey } from "./public-key.ts";
import { IN_TOTO_PAYLOAD_TYPE, parseReleaseStatement, releaseKindOf } from "./statement.ts";
import type { ReleaseStatement } from "./statement.ts";
import { TrustError } from "./trust-error.ts";
import type { TrustCode } from "./trust-error.ts";
import { unscopedMessage } from "./trust-root.ts";
import type { Anchor, Door, TrustRoot } from "./trust-root.ts";
import { markVerified } from "./verified.ts";
import type { Verified } from "./verified.ts";
import { verifyLogEntries } from "./verify-log-entry.ts";
import type { LogPosition } from "./verify-log-entry.ts";

/** The name under which the door is asked: from the registry's path or the install, never from the evidence. */
export interface ExpectedRelease {
  readonly publisher: string;
  readonly name: string;
  readonly version: string;
  readonly mediaType: string;
  readonly platform?: string;
}

export interface ReleaseQuestion {
  /** Measured by the door from the manifest bytes that it will use. */
  readonly manifestDigest: ManifestDigest;
  /** Attacker-controlled; null when the door found no bundle. */
  readonly bundleBytes: Uint8Array | null;
  readonly trustRoot: TrustRoot;
  readonly door: Door;
  readonly now: Date;
  readonly expected: ExpectedRelease;
  /** false at the publish door alone, which appends the entry itself; entries that are present are checked anyway. */
  readonly requireLog: boolean;
}

export interface Release {
  readonly manifestDigest: ManifestDigest;
  readonly statement: ReleaseStatement;
  readonly signer: {
    readonly spkiDigest: SpkiDigest;
    readonly keyId: string;
    readonly pemRef: string;
    readonly key: PublicKey;
  };
  readonly log: LogPosition | null;
  readonly envelopeDigest: EnvelopeDigest;
  readonly bundleBytes: Uint8Array;
}

export const RELEASE_STEPS = [
  "bundle",
  "signer",
  "signature",
  "scope",
  "window",
  "statement",
  "subject",
  "binding",
  "log",
] as const;
export type ReleaseStepName = (typeof RELEASE_STEPS)[number];

/** Codes of steps that allow. */
export const RELEASE_ALLOW_CODES = [
  "bundle.read",
  "signer.known",
  "signature.valid",
  "signer.in-scope",
  "signer.in-window",
  "statement.read",
  "subject.matches",
  "statement.matches",
  "log.included",
  "log.not-required",
] as const;
export type ReleaseAllowCode = (typeof RELEASE_ALLOW_CODES)[number];

export type ReleaseStep =
  | {
      readonly step: ReleaseStepName;
      readonly outcome: "allow";
      readonly code: ReleaseAllowCode;
      readonly detail: string;
    }
  | {
      readonly step: ReleaseStepName;
      readonly outcome: "deny";
      readonly code: TrustCode;
      readonly detail: string;
    };

export type ReleaseResult =
  | {
      readonly ok: true;
      readonly release: Verified<Release>;
      readonly steps: readonly ReleaseStep[];
    }
  | { readonly ok: false; readonly release: null; readonly steps: readonly ReleaseStep[] };

/** SPKI digest of the key that signed; null where the release is not proven. */
export function releaseSigner(result: ReleaseResult): string | null {
  return result.ok ? result.release.value.signer.spkiDigest : null;
}

/**
 * Judges whether a bundle proves that a trusted publisher released exactly this manifest under this name.
 * All steps must allow; a step that needs a failed one is left out, so the list of a refusal may be short and always
 * holds at least one denial. Never throws for what an attacker controls; a broken clock is a denial ("clock.invalid").
 */
export function verifyRelease(question: ReleaseQuestion): ReleaseResult {
  const steps = new Steps();
  const bundle = steps.run("bundle", "bundle.read", () => readBundle(question.bundleBytes)); // stops: endless data, two readings of one document
  if (bundle === null) return steps.denied();
  const anchor = steps.run("signer", "signer.known", () => findAnchor(bundle, question.trustRoot)); // stops: any signer
  if (anchor === null) return steps.denied();
  const signed = steps.run("signature", "signature.valid", () =>
    checkEnvelope(bundle.envelope, anchor),
  ); // stops: changed bytes, forged signature
  if (signed === null) return steps.denied();
  steps.run("scope", "signer.in-scope", () => checkScope(anchor, question)); // stops: a publisher who signs another's names
  steps.run("window", "signer.in-window", () => checkAnchorWindow(anchor, question.now)); // stops: a key past its time
  const statement = steps.run("statement", "statement.read", () =>
    readStatement(bundle.envelope, question.now),
  ); // stops: a signature that says something else
  if (statement === null) return steps.denied();
  steps.run("subject", "subject.matches", () => checkSubject(statement, question.manifestDigest)); // stops: swapped bytes
  steps.run("binding", "statement.matches", () => checkBinding(statement, question.expected)); // stops: transplant to another name or version
  const log = steps.runLog(() => checkLog(bundle, anchor, question)); // stops: a release shown to one victim only
  if (steps.anyDenied || question.bundleBytes === null) return steps.denied();
  return steps.allowed(releaseOf(question.bundleBytes, bundle, anchor, statement, log));
}

type EnvelopeBundle = Bundle & { readonly envelope: Envelope };

function readBundle(bytes: Uint8Array | null): EnvelopeBundle {
  if (bytes === null)
    throw new TrustError("signature.missing", "cannot accept a release without a signed bundle");
  const bundle = parseBundle(bytes);
  if (bundle.content.kind !== "envelope")
    throw new TrustError(
      "statement.type",
      "cannot accept a bare signature: wanted a signed release statement",
    );
  return { ...bundle, envelope: bundle.content.envelope };
}

function findAnchor(bundle: Bundle, trustRoot: TrustRoot): Anchor {
  const anchor = trustRoot.anchors.find((candidate) => candidate.key.keyId === bundle.hint);
  if (anchor !== undefined) return anchor;
  const held = trustRoot.unscoped.find((candidate) => candidate.key.keyId === bundle.hint);
  if (held !== undefined)
    throw new TrustError("signer.unscoped", unscopedMessage(held.key.spkiDigest));
  throw new TrustError(
    "signer.unknown",
    `cannot trust the key ${quote(bundle.hint)}: version ${trustRoot.version} of the trust root does not name it`,
  );
}

function checkEnvelope(envelope: Envelope, anchor: Anchor): true {
  if (!anchor.algorithms.includes(anchor.key.algorithm))
    throw new TrustError(
      "signer.algorithm",
      `cannot accept ${anchor.key.algorithm}: the trust root allows ${anchor.algorithms.join(", ") || "no algorithm"} for this anchor`,
    );
  anchor.key.checkSignature(signedBytes(envelope), envelope.signature);
  return true;
}

function checkScope({ scope, key }: Anchor, { expected, door }: ReleaseQuestion): true {
  const kind = releaseKindOf(expected.mediaType);
  const publisher = scope.publishers.includes("*") || scope.publishers.includes(expected.publisher);
  if (publisher && kind !== undefined && scope.kinds.includes(kind) && scope.doors.includes(door))
    return true;
  throw new TrustError(
    "signer.scope",
    `cannot let anchor ${key.spkiDigest} sign ${quote(expected.mediaType)} of ${quote(expected.publisher)} at ${door}: its scope is ${quote(JSON.stringify(scope), 256)}`,
  );
}

function checkAnchorWindow(anchor: Anchor, now: Date): true {
  const at = instantMs(now);
  if (at >= anchor.validFrom.getTime() && at <= anchor.validTo.getTime()) return true;
  throw new TrustError(
    "signer.window",
    `cannot trust anchor ${anchor.key.spkiDigest} at ${formatInstant(now)}: it is valid from ${formatInstant(anchor.validFrom)} to ${formatInstant(anchor.validTo)}`,
  );
}

function readStatement(envelope: Envelope, now: Date): ReleaseStatement {
  if (envelope.payloadType !== IN_TOTO_PAYLOAD_TYPE)
    throw new TrustError(
      "statement.type",
      `cannot read a payload of type ${quote(envelope.payloadType)}: wanted ${quote(IN_TOTO_PAYLOAD_TYPE)}`,
    );
  const statement = parseReleaseStatement(envelope.payload);
  if (statement.expiresAt !== undefined && statement.expiresAt.getTime() <= instantMs(now))
    throw new TrustError(
      "statement.expired",
      `cannot accept a release statement that expired at ${formatInstant(statement.expiresAt)}`,
    );
  return statement;
}

function checkSubject(statement: ReleaseStatement, measured: ManifestDigest): true {
  if (statement.manifestDigest === measured) return true;
  throw new TrustError(
    "subject.mismatch",
    `cannot accept a statement about ${statement.manifestDigest}: the manifest is ${measured}`,
  );
}

function checkBinding(statement: ReleaseStatement, expected: ExpectedRelease): true {
  for (const field of ["publisher", "name", "version", "mediaType", "platform"] as const)
    if (statement[field] !== expected[field])
      throw new TrustError(
        "statement.mismatch",
        `cannot accept a statement for ${field} ${quote(statement[field] ?? "none")}: wanted ${quote(expected[field] ?? "none")}`,
      );
  return true;
}

function checkLog(
  bundle: EnvelopeBundle,
  anchor: Anchor,
  question: ReleaseQuestion,
): LogPosition | null {
  if (!question.requireLog && bundle.entries.length === 0) return null;
  return verifyLogEntries(
    bundle,
    bundle.envelope,
    anchor.key,
    question.trustRoot.logs,
    question.now,
  );
}

function releaseOf(
  bytes: Uint8Array,
  bundle: EnvelopeBundle,
  anchor: Anchor,
  statement: ReleaseStatement,
  log: LogPosition | null,
): Release {
  const { key, pemRef } = anchor;
  return {
    manifestDigest: statement.manifestDigest,
    statement,
    signer: { spkiDigest: key.spkiDigest, keyId: key.keyId, pemRef, key },
    log,
    envelopeDigest: digestOf("envelope", serializeEnvelope(bundle.envelope)),
    bundleBytes: bytes,
  };
}

class Steps {
  readonly #steps: ReleaseStep[] = [];

  get anyDenied(): boolean {
    return this.#steps.some((step) => step.outcome === "deny");
  }

  /** Runs one check; what it throws becomes a denial, an error of ours included. */
  run<T>(step: ReleaseStepName, code: ReleaseAllowCode, check: () => T): T | null {
    try {
      const value = check();
      this.#steps.push({ step, outcome: "allow", code, detail: "" });
      return value;
    } catch (error) {
      this.#steps.push(denial(step, error));
      return null;
    }
  }

  runLog(check: () => LogPosition | null): LogPosition | null {
    const position = this.run("log", "log.included", check);
    const last = this.#steps.at(-1);
    if (position === null && last?.outcome === "allow")
      this.#steps.splice(-1, 1, { ...last, code: "log.not-required" });
    return position;
  }

  denied(): ReleaseResult {
    return { ok: false, release: null, steps: this.#steps };
  }

  allowed(release: Release): ReleaseResult {
    return { ok: true, release: markVerified(release), steps: this.#steps };
  }
}

function denial(step: ReleaseStepName, error: unknown): ReleaseStep {
  if (error instanceof TrustError)
    return { step, outcome: "deny", code: error.code, detail: error.message };
  const code: TrustCode = step === "log" ? "log.inclusion" : "bundle.malformed";
  return {
    step,
    outcome: "deny",
    code,
    detail:
      error instanceof CodedError ? error.message : `cannot judge step ${step}: the check failed`,
  };
}
