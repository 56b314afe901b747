import { randomBytes } from "node:crypto";
import { MAX_ISSUED_AHEAD_MS, TrustError } from "#trust";
import type { PublicKey } from "#trust";
import { openEdgeCredential, openExecuteToken, openProof } from "#contract";
import type { CallToken, EdgeCredential, ErrorCode, Fence } from "#contract";
import type { Clock } from "#platform";
import { ReplayMemory } from "./replay-memory.ts";

/** Who calls, proved; and what with. */
export interface Caller {
  readonly kind: "gateway" | "operator";
  /** The gateway's edge id, or `operator <id>`. */
  readonly id: string;
  /** SHA-256 of the body that the call must have, base64url. */
  readonly body: string;
}

export interface AdmissionParts {
  /** This runner's edge id. */
  readonly runner: string;
  readonly stateKey: PublicKey;
  readonly fence: () => Fence | null;
  readonly clock: Clock;
  readonly replays?: ReplayMemory;
}

/** What a caller shows; attacker-controlled. */
export interface Shown {
  readonly authorization: string | undefined;
  readonly proof: string | undefined;
}

const BEARER = /^Bearer ([A-Za-z0-9_.-]+)$/;
const BOOT_BYTES = 16;

/** Who may call this runner at all: decided before a byte of the body is read. */
export class Admission {
  /** This start's name; every token carries it, so that none of an earlier start is taken. */
  readonly boot = randomBytes(BOOT_BYTES).toString("base64url");
  readonly #parts: AdmissionParts;
  readonly #replays: ReplayMemory;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
    this.#replays = parts.replays ?? new ReplayMemory();
  }

  /** signature → audience → times → edge → start → once. */
  admit(shown: Shown): Caller | ErrorCode {
    const bearer = BEARER.exec(shown.authorization ?? "")?.[1];
    if (bearer === undefined) return "execute.required";
    const opened = this.#open(bearer, shown.proof); // stops: forged, changed, of another control or use
    if (opened === null) return "execute.forged";
    const { token, credential } = opened;
    const now = Math.floor(this.#parts.clock.now().getTime() / 1_000);
    for (const part of credential === null ? [token] : [credential, token]) {
      if (part.audience !== this.#parts.runner) return "execute.audience"; // stops: what was meant for another runner
      if (!isGood(part, now)) return "execute.expired"; // stops: what was kept for later
    }
    const fence = this.#parts.fence();
    if (fence === null) return "policy.unavailable";
    if (fence.find("edge", token.subject) !== null) return "execute.removed"; // stops: a gateway that was taken out
    if (token.boot !== this.boot) return "execute.boot"; // stops: replay over a restart, which forgets what was used
    const use = this.#replays.use(`${token.subject} ${token.id}`, token.expiresAt, now);
    if (use === "again") return "execute.replayed"; // stops: replay
    if (use === "full") return "runner.capacity";
    const kind = credential === null ? "operator" : "gateway";
    return { kind, id: token.subject, body: token.body };
  }

  #open(
    bearer: string,
    proof: string | undefined,
  ): { token: CallToken; credential: EdgeCredential | null } | null {
    const { stateKey } = this.#parts;
    try {
      if (proof === undefined)
        return { token: openExecuteToken(bearer, stateKey), credential: null };
      const credential = openEdgeCredential(bearer, stateKey);
      const token = openProof(proof, credential);
      // A gateway speaks for itself alone.
      return token.subject === credential.subject ? { token, credential } : null;
    } catch (error) {
      if (error instanceof TrustError) return null;
      throw error;
    }
  }
}

/** As with documents: issued a little ahead of this clock is good, expiry gets no slack. */
function isGood(token: { issuedAt: number; expiresAt: number }, now: number): boolean {
  return token.issuedAt <= now + MAX_ISSUED_AHEAD_MS / 1_000 && token.expiresAt > now;
}
