import { kvReplyBytes, readKvRequest } from "#contract";
import type { BrokerCall, KvReply, KvRequest } from "#contract";
import { parseId, Turns } from "#platform";
import type { Store, Tx } from "#store";
import { accessDenial, readShownGrant } from "./kv-access.ts";
import type { AccessParts, ShownGrant } from "./kv-access.ts";
import { isKvWrite, performKv } from "./kv-store.ts";
import { SharedSlots } from "./shared-slots.ts";

/** Of the pool's connections, so many for guests' keys: the rest of control goes on when guests keep these busy. */
const CONNECTIONS = 4;
/** Of those, so many for the keys of one install. */
const PER_INSTALL = 2;
const STATEMENT_TIMEOUT = "57014";

export interface KvParts extends AccessParts {
  readonly store: Store;
}

/** Guests' calls of `storage.kv`, as the broker brings them. An install's writes are carried out one after the other: they lock the same row. */
export class KvCalls {
  readonly #parts: KvParts;
  readonly #writes = new Turns();
  readonly #connections = new SharedSlots(CONNECTIONS, PER_INSTALL);

  constructor(parts: KvParts) {
    this.#parts = parts;
  }

  /** The reply's bytes. call: attacker-controlled as far as broker, runner and guest are. deadlineMs: what is left of the guest's call. */
  async answer({ grant: document, argument }: BrokerCall, deadlineMs: number): Promise<Uint8Array> {
    const shown = readShownGrant(this.#parts, document);
    if (shown === null) return kvReplyBytes(denied("the grant does not hold"));
    const request = readArgument(argument);
    if (request === null)
      return kvReplyBytes({ kind: "failure", failure: "invalid", message: "it cannot be read" });
    const end = performance.now() + deadlineMs;
    const install = `${shown.grant.tenant} ${shown.grant.install}`;
    const work = () =>
      this.#connections.take(install, () => this.#perform(shown, request, end - performance.now()));
    const reply = await (isKvWrite(request) ? this.#writes.take(install, work) : work());
    return kvReplyBytes(reply);
  }

  async #perform(shown: ShownGrant, request: KvRequest, leftMs: number): Promise<KvReply> {
    const tenant = parseId("tenant", shown.grant.tenant);
    if (tenant === null) return denied("the grant does not hold");
    if (leftMs < 1) return UNAVAILABLE; // nobody waits any more
    try {
      // No statement outlives the guest's call.
      const bounds = { statementMs: leftMs };
      const work = async (tx: Tx): Promise<KvReply> => {
        const denial = await accessDenial(tx, this.#parts, shown, isKvWrite(request));
        if (denial !== null) return denied(denial);
        const { tenant: owner, install } = shown.grant;
        return performKv(tx, { tenant: owner, install }, request, this.#parts.clock.now());
      };
      return await this.#parts.store.asTenant(tenant, work, bounds);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === STATEMENT_TIMEOUT)
        return UNAVAILABLE;
      throw error;
    }
  }
}

const UNAVAILABLE: KvReply = { kind: "failure", failure: "unavailable", message: "" };

function denied(message: string): KvReply {
  return { kind: "failure", failure: "denied", message };
}

function readArgument(argument: Uint8Array): KvRequest | null {
  try {
    return readKvRequest(argument);
  } catch {
    return null;
  }
}
