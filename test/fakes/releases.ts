import { createHash, generateKeyPairSync } from "node:crypto";

import {
  completeBundle,
  createSigner,
  digestOf,
  formatCheckpoint,
  leafHash,
  logEntryOf,
  logKeyOf,
  nodeHash,
  noteSigner,
  parseBundle,
  releaseMediaType,
  signNote,
  signRelease,
  trustRootOf,
  writeUtf8,
} from "../../src/core/trust/index.ts";
import type {
  Anchor,
  ExpectedRelease,
  Hash,
  LogEvidence,
  LogKey,
  ManifestDigest,
  PublicKey,
  ReleaseQuestion,
  ReleaseStatement,
  Signer,
  TrustRoot,
} from "../../src/core/trust/index.ts";

export const NOW = new Date("2030-06-01T12:00:00Z");
const MANIFEST = writeUtf8('{"schemaVersion":2}');
export const MANIFEST_DIGEST: ManifestDigest = digestOf("manifest", MANIFEST);

export type KeyName = "p256" | "p384" | "ed25519" | "rsa2048" | "rsa1024" | "p521";

export function newSigner(name: KeyName = "p256"): Signer {
  return createSigner(newPrivateKey(name));
}

export function newPrivateKey(name: KeyName) {
  switch (name) {
    case "p256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    case "p384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
    case "p521":
      return generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey;
    case "ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    case "rsa2048":
      return generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey;
    case "rsa1024":
      return generateKeyPairSync("rsa", { modulusLength: 1_024 }).privateKey;
    default:
      return name satisfies never;
  }
}

/** A log in memory whose trees hold two entries: a filler and the one that is asked for. */
export class FakeLog {
  readonly key: LogKey;
  readonly #signer: ReturnType<typeof noteSigner>;

  constructor(origin = "log.example/artifacts", signer: Signer = newSigner("ed25519")) {
    this.#signer = noteSigner(origin, signer);
    this.key = logKeyOf(this.#signer.verifierKey, new Date("2030-01-01T00:00:00Z"));
  }

  include(body: Uint8Array): LogEvidence {
    const filler: Hash = leafHash(writeUtf8("filler"));
    const root = nodeHash(filler, leafHash(body));
    const text = formatCheckpoint({ origin: this.key.origin, size: 2n, root, extensions: [] });
    return {
      logKey: this.key,
      index: 1n,
      size: 2n,
      root,
      proof: [filler],
      checkpoint: signNote(text, [this.#signer]),
      body,
    };
  }
}

export const STATEMENT: ReleaseStatement = {
  publisher: "acme",
  name: "hello",
  version: "1.2.3",
  channel: "stable",
  mediaType: releaseMediaType("extension"),
  issuedAt: new Date("2030-05-01T00:00:00Z"),
  manifestDigest: MANIFEST_DIGEST,
};

export const EXPECTED: ExpectedRelease = {
  publisher: "acme",
  name: "hello",
  version: "1.2.3",
  mediaType: releaseMediaType("extension"),
};

export function anchorFor(key: PublicKey, change: Partial<Anchor> = {}): Anchor {
  return {
    key,
    pemRef: "pem:1:public-key",
    scope: { publishers: ["acme"], kinds: ["extension"], doors: ["publish", "install", "load"] },
    validFrom: new Date("2030-01-01T00:00:00Z"),
    validTo: new Date("2031-01-01T00:00:00Z"),
    algorithms: [key.algorithm],
    ...change,
  };
}

export function trustRootFor(anchors: readonly Anchor[], logs: readonly LogKey[]): TrustRoot {
  return trustRootOf({ version: 1, anchors, logs, approvers: [] });
}

/** A publisher, a log, and a question that every step allows. */
export function goodRelease(change: Partial<ReleaseStatement> = {}, keyName: KeyName = "p256") {
  const signer = newSigner(keyName);
  const log = new FakeLog();
  const pushed = signRelease({ ...STATEMENT, ...change }, signer);
  const completed = completeBundle(
    pushed,
    log.include(logEntryOf(parseBundle(pushed), signer.publicKey)),
  );
  const question: ReleaseQuestion = {
    manifestDigest: MANIFEST_DIGEST,
    bundleBytes: completed,
    trustRoot: trustRootFor([anchorFor(signer.publicKey)], [log.key]),
    door: "install",
    now: NOW,
    expected: EXPECTED,
    requireLog: true,
  };
  return { signer, log, pushed, completed, question };
}

/** Deterministic pseudo-random numbers in [0, 1) from a seed, for mutations that can be replayed. */
export function seededRandom(seed: number): () => number {
  let counter = 0;
  return () =>
    createHash("sha256").update(`${seed}:${counter++}`).digest().readUInt32BE(0) / 2 ** 32;
}
