import { completeBundle, logEntryOf, parseBundle, signRelease } from "./bundle.ts";
import { formatCheckpoint } from "./checkpoint.ts";
import { digestOf } from "./digest.ts";
import { writeUtf8 } from "./encodings.ts";
import { logKeyOf } from "./log-key.ts";
import { leafHash, nodeHash } from "./merkle.ts";
import { noteSigner, signNote } from "./note.ts";
import type { Signer } from "./signer.ts";
import { releaseMediaType } from "./statement.ts";
import type { TrustCode } from "./trust-error.ts";
import { trustRootOf } from "./trust-root.ts";
import { verifyRelease } from "./verify-release.ts";
import type { ReleaseQuestion } from "./verify-release.ts";

const DAY_MS = 24 * 3_600_000;

/** Each part of the proof changed, and what the verifier has to say of it. */
const CHANGES: readonly (readonly [
  code: TrustCode,
  (question: ReleaseQuestion) => ReleaseQuestion,
])[] = [
  ["signature.missing", (question) => ({ ...question, bundleBytes: null })],
  [
    "subject.mismatch",
    (question) => ({ ...question, manifestDigest: digestOf("manifest", writeUtf8("other")) }),
  ],
  [
    "statement.mismatch",
    (question) => ({ ...question, expected: { ...question.expected, version: "1.0.1" } }),
  ],
  [
    "signer.scope",
    (question) => ({ ...question, expected: { ...question.expected, publisher: "another" } }),
  ],
  [
    "signer.window",
    (question) => ({ ...question, now: new Date(question.now.getTime() + 2 * DAY_MS) }),
  ],
  [
    "signer.unknown",
    (question) => ({ ...question, trustRoot: { ...question.trustRoot, anchors: [] } }),
  ],
  ["log.unknown", (question) => ({ ...question, trustRoot: { ...question.trustRoot, logs: [] } })],
  [
    "signature.invalid",
    (question) => ({ ...question, bundleBytes: withAnotherSignature(question.bundleBytes) }),
  ],
];

/**
 * A release made for the purpose: accepted as it is, refused for the right reason with each part of its proof changed.
 * Null where that holds; else the part that did not. Keys: of this look alone.
 */
export function releaseKnownAnswer(publisher: Signer, log: Signer, now: Date): string | null {
  const question = goodQuestion(publisher, log, now);
  if (!verifyRelease(question).ok) return "a good release is refused";
  const wrong = CHANGES.find(([code, change]) => {
    const { ok, steps } = verifyRelease(change(question));
    return ok || !steps.some((step) => step.outcome === "deny" && step.code === code);
  });
  return wrong === undefined ? null : `no ${wrong[0]} where it had to be`;
}

function goodQuestion(publisher: Signer, log: Signer, now: Date): ReleaseQuestion {
  const manifestDigest = digestOf("manifest", writeUtf8("known answer"));
  const expected = {
    publisher: "known",
    name: "answer",
    version: "1.0.0",
    mediaType: releaseMediaType("extension"),
  };
  const pushed = signRelease(
    { ...expected, channel: "stable", issuedAt: now, manifestDigest },
    publisher,
  );
  const signer = noteSigner("known.answer/log", log);
  const logKey = logKeyOf(signer.verifierKey, new Date(now.getTime() - DAY_MS));
  const body = logEntryOf(parseBundle(pushed), publisher.publicKey);
  const filler = leafHash(writeUtf8("filler"));
  const root = nodeHash(filler, leafHash(body));
  const checkpoint = signNote(
    formatCheckpoint({ origin: logKey.origin, size: 2n, root, extensions: [] }),
    [signer],
  );
  const bundleBytes = completeBundle(pushed, {
    logKey,
    index: 1n,
    size: 2n,
    root,
    proof: [filler],
    checkpoint,
    body,
  });
  const anchor = {
    key: publisher.publicKey,
    pemRef: "known answer",
    scope: { publishers: ["known"], kinds: ["extension"], doors: ["install"] },
    validFrom: new Date(now.getTime() - DAY_MS),
    validTo: new Date(now.getTime() + DAY_MS),
    algorithms: [publisher.algorithm],
  } as const;
  const trustRoot = trustRootOf({ version: 1, anchors: [anchor], logs: [logKey], approvers: [] });
  return {
    manifestDigest,
    bundleBytes,
    trustRoot,
    door: "install",
    now,
    expected,
    requireLog: true,
  };
}

/** The base64 of the envelope's signature, two of its inner characters exchanged for others. */
function withAnotherSignature(bundle: Uint8Array | null): Uint8Array {
  const text = new TextDecoder().decode(bundle ?? new Uint8Array());
  return writeUtf8(
    text.replace(
      /("sig":"[^"]{20})(..)/,
      (_all, head: string, two: string) => head + (two === "AB" ? "BA" : "AB"),
    ),
  );
}
