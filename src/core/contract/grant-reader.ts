import { createHash } from "node:crypto";
import type { OpenedDocument, PublicKey } from "#trust";
import { openGrant } from "./grant.ts";
import type { Grant } from "./grant.ts";

/** About 2 KB each. */
const MAX_KEPT = 4_096;

/** Opens grants of one state key, and remembers by their digest those that held: a signature is the same each time. */
export class GrantReader {
  readonly #stateKey: PublicKey;
  readonly #kept = new Map<string, OpenedDocument<Grant>>();

  constructor(stateKey: PublicKey) {
    this.#stateKey = stateKey;
  }

  /** bytes: attacker-controlled. Throws as `openGrant`; the window is judged each time. */
  open(bytes: Uint8Array, now: Date): OpenedDocument<Grant> {
    const name = createHash("sha256").update(bytes).digest("base64");
    const kept = this.#kept.get(name);
    if (kept !== undefined && kept.issuedAt <= now && now < kept.expiresAt) return kept; // stops: a grant past its end
    const opened = openGrant(bytes, this.#stateKey, now);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(name, opened);
    return opened;
  }
}
