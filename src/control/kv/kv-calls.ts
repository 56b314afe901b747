import { kvReplyBytes, readKvRequest } from "#contract";
import type { BrokerCall, KvReply, KvRequest } from "#contract";
import { parseId, Turns } from "#platform";
import type { Store, Tx } from "#store";
import { sql } from "kysely";
import { accessDenial, readShownGrant } from "./kv-access.ts";
import type { AccessParts, ShownGrant } from "./kv-access.ts";
import { isKvWrite, performKv } from "./kv-store.ts";

/** Of the pool's connections, so many for guests' keys: the rest of control goes on when guests keep these busy. */
const CONNECTIONS = 4;
const STATEMENT_TIMEOUT = "57014";

export interface KvParts extends AccessParts {
  readonly store: Store;
}

/** Guests' calls of `storage.kv`, as the broker brings them. An install's calls are carried out one after the other. */
export class KvCalls {
  readonly #parts: KvParts;
  readonly #turns = new Turns();
  readonly #waiting: (() => void)[] = [];
  #free = CONNECTIONS;

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
    const { tenant, install } = shown.grant;
    const reply = await this.#turns.take(`${tenant} ${install}`, () =>
      this.#withConnection(() => this.#perform(shown, request, end - performance.now())),
    );
    return kvReplyBytes(reply);
  }

  async #withConnection(work: () => Promise<KvReply>): Promise<KvReply> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  async #perform(shown: ShownGrant, request: KvRequest, leftMs: number): Promise<KvReply> {
    const tenant = parseId("tenant", shown.grant.tenant);
    if (tenant === null) return denied("the grant does not hold");
    if (leftMs < 1) return UNAVAILABLE; // nobody waits any more
    try {
      return await this.#parts.store.asTenant(tenant, async (tx) => {
        await limitTime(tx, leftMs);
        const denial = await accessDenial(tx, this.#parts, shown, isKvWrite(request));
        if (denial !== null) return denied(denial);
        const { tenant: owner, install } = shown.grant;
        return performKv(tx, { tenant: owner, install }, request, this.#parts.clock.now());
      });
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

/** No statement outlives the guest's call. */
async function limitTime(tx: Tx, leftMs: number): Promise<void> {
  await sql`select set_config('statement_timeout', ${String(Math.ceil(leftMs))}, true)`.execute(tx);
}

function readArgument(argument: Uint8Array): KvRequest | null {
  try {
    return readKvRequest(argument);
  } catch {
    return null;
  }
}
