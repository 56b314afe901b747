import {
  completeBundle,
  createSigner,
  formatCheckpoint,
  leafHash,
  logEntryOf,
  logKeyOf,
  newPrivateKey,
  noteSigner,
  parseBundle,
  signNote,
} from "#trust";
import type { LogEvidence, PublicKey, Signer, TrustRootBody } from "#trust";
import type { Packed } from "./pack.ts";
import { attachBundle, signPacked } from "./sign.ts";
import type { SignedArtifact } from "./sign.ts";

const ORIGIN = "localhost/development";
const BEFORE_MS = 60_000;
const VALID_MS = 30 * 24 * 3_600_000;

export function newKey(kind: "ed25519" | "p256"): Signer {
  return createSigner(newPrivateKey(kind));
}

/**
 * Publisher, log and trust root of one run on an author's machine: the keys are made for it and end with it, nothing
 * outside of it trusts them. What it releases passes the load door as any release does, by signature and log proof.
 */
export class LocalPublisher {
  readonly trustRoot: TrustRootBody;
  readonly #signer = newKey("p256");
  readonly #log = noteSigner(ORIGIN, newKey("ed25519"));

  constructor(now: Date) {
    const validFrom = new Date(now.getTime() - BEFORE_MS);
    this.trustRoot = {
      version: 1,
      anchors: [
        {
          key: this.#signer.publicKey,
          pemRef: ORIGIN,
          scope: { publishers: ["*"], kinds: ["extension"], doors: ["load"] },
          validFrom,
          validTo: new Date(now.getTime() + VALID_MS),
          algorithms: [this.#signer.publicKey.algorithm],
        },
      ],
      logs: [logKeyOf(this.#log.verifierKey, validFrom)],
      approvers: [],
    };
  }

  get key(): PublicKey {
    return this.#signer.publicKey;
  }

  release(packed: Packed, now: Date): SignedArtifact {
    const signed = signPacked(packed, this.#signer, now);
    const pushed = signed.bundle;
    const body = logEntryOf(parseBundle(pushed), this.#signer.publicKey);
    return attachBundle(packed, completeBundle(pushed, this.#logged(body)));
  }

  /** Each release is the one entry of a tree of its own: an edge asks for a proof, and for nothing between two. */
  #logged(body: Uint8Array): LogEvidence {
    const root = leafHash(body);
    const text = formatCheckpoint({ origin: ORIGIN, size: 1n, root, extensions: [] });
    const [logKey] = this.trustRoot.logs;
    if (logKey === undefined) throw new Error("the trust root of this run names its own log");
    const checkpoint = signNote(text, [this.#log]);
    return { logKey, index: 0n, size: 1n, root, proof: [], checkpoint, body };
  }
}
