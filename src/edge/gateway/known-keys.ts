import { hash } from "node:crypto";
import type { SnapshotKey } from "#contract";
import type { RoutingTable } from "./routes.ts";

const SECRET = /^(?:Bearer )?(csk_[A-Za-z0-9_-]{43})$/;
const LONGEST_GIVEN = 100;
/** Each key has two spellings. */
const MAX_KNOWN = 8_192;

/**
 * Whose a credential is. Hashing it takes longer than everything else that finds a route, so what has proved to be a
 * key is remembered for as long as the table that says so is the newest: a revoked key is forgotten with its table.
 */
export class KnownKeys {
  readonly #table: RoutingTable;
  readonly #known = new Map<string, SnapshotKey>();

  constructor(table: RoutingTable) {
    this.#table = table;
  }

  /** given: attacker-controlled header value. Null: no key of this snapshot. */
  find(given: string | null): SnapshotKey | null {
    if (given === null || given.length >= LONGEST_GIVEN) return null;
    return this.#known.get(given) ?? this.#prove(given);
  }

  #prove(given: string): SnapshotKey | null {
    const secret = SECRET.exec(given)?.[1];
    if (secret === undefined) return null;
    const key = this.#table.keyByHash(hash("sha256", secret, "hex"));
    if (key === undefined) return null;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(given, key);
    return key;
  }
}
