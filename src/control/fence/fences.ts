import { Fence, limits } from "#contract";
import type { FenceEntry, FenceEntryScope, FenceScope } from "#contract";
import { Followed } from "#platform";
import type { Clock } from "#platform";
import type { Store, Tx } from "#store";
import { FenceError } from "./fence-error.ts";

export interface FenceTarget {
  readonly scope: FenceScope;
  /** FENCE_ALL for scope all. */
  readonly id: string;
}

interface EntryTarget {
  readonly scope: FenceEntryScope;
  readonly id: string;
}

export interface FenceOrder extends EntryTarget {
  readonly reason: string;
  readonly reversible: boolean;
  readonly by: string;
  /** The tenant whose key asks; null: the operator. */
  readonly tenant: string | null;
}

/**
 * Control's fence: what stands, in the database and in memory. One process writes it.
 * Durable before the answer; a change is in `current`, which control's own doors judge with, before `set` or `lift` returns.
 */
export class Fences {
  readonly #store: Store;
  readonly #clock: Clock;
  #current = new Fence(0, []);
  readonly #changes = new Followed(() => this.#reload());

  static async open(parts: { readonly store: Store; readonly clock: Clock }): Promise<Fences> {
    const fences = new Fences(parts);
    await fences.#reload();
    return fences;
  }

  private constructor({ store, clock }: { readonly store: Store; readonly clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
  }

  get current(): Fence {
    return this.#current;
  }

  /** What stands already under that scope and id is answered again. Throws FenceError "fence.full". */
  set(order: FenceOrder): Promise<FenceEntry> {
    return this.#changes
      .change(() => this.#store.asSystem((tx) => this.#insert(tx, order)))
      .then(() => this.#standing(order));
  }

  /** A tenant lifts what a key of that tenant set. Throws FenceError "fence.unknown", "fence.irreversible", "auth.forbidden". */
  lift(target: FenceTarget, by: string, tenant: string | null): Promise<FenceEntry> {
    return this.#changes.change(async () => {
      const entry = this.#standing(target);
      if (!entry.reversible)
        throw new FenceError(
          "fence.irreversible",
          `cannot lift ${target.scope} ${target.id}: a revocation stands for good; publish a new version instead`,
        );
      await this.#store.asSystem((tx) => this.#close(tx, entry, by, tenant));
      return entry;
    });
  }

  #standing({ scope, id }: EntryTarget): FenceEntry {
    const entry = this.#current.find(scope, id);
    if (entry === null)
      throw new FenceError(
        "fence.unknown",
        `cannot find anything that stops ${scope} ${id}; "caisson fence list" shows what stands`,
      );
    return entry;
  }

  async #insert(tx: Tx, order: FenceOrder): Promise<void> {
    if (this.#current.find(order.scope, order.id) !== null) return;
    if (this.#current.entries.length >= limits.fenceEntries.value)
      throw new FenceError(
        "fence.full",
        `cannot stop more: ${limits.fenceEntries.value} entries stand; revoke the publisher or the key instead of its versions`,
      );
    await tx
      .insertInto("fence_entry")
      .values({
        epoch: await nextEpoch(tx),
        scope: order.scope,
        id: order.id,
        reason: order.reason,
        reversible: order.reversible,
        set_by: order.by,
        owner_tenant: order.tenant,
        set_at: this.#clock.now(),
        lifted_at: null,
        lifted_by: null,
      })
      .execute();
    if (order.scope === "digest") await revokeVersion(tx, order.id);
  }

  async #close(tx: Tx, entry: FenceEntry, by: string, tenant: string | null): Promise<void> {
    // The epoch grows with a lifting too: an edge never goes back to a fence that it has left.
    await nextEpoch(tx);
    const lifted = await tx
      .updateTable("fence_entry")
      .set({ lifted_at: this.#clock.now(), lifted_by: by })
      .where("epoch", "=", String(entry.epoch))
      .$if(tenant !== null, (query) => query.where("owner_tenant", "=", tenant))
      .executeTakeFirst();
    if (lifted.numUpdatedRows === 0n)
      throw new FenceError(
        "auth.forbidden",
        `cannot lift ${entry.scope} ${entry.id}: ${entry.by} set it, and this key may lift only what its own tenant set`,
      );
  }

  async #reload(): Promise<void> {
    this.#current = await this.#store.asSystem(async (tx) => {
      const counter = await tx
        .selectFrom("counter")
        .select("value")
        .where("name", "=", "fence")
        .executeTakeFirst();
      const rows = await tx
        .selectFrom("fence_entry")
        .selectAll()
        .where("lifted_at", "is", null)
        .orderBy("epoch")
        .execute();
      const entries = rows.map(({ scope, id, epoch, reason, reversible, set_by }) => ({
        scope,
        id,
        epoch: Number(epoch),
        reason,
        reversible,
        by: set_by,
      }));
      return new Fence(Number(counter?.value ?? 0), entries);
    });
  }
}

async function nextEpoch(tx: Tx): Promise<number> {
  const { value } = await tx
    .insertInto("counter")
    .values({ name: "fence", value: 1 })
    .onConflict((on) =>
      on.column("name").doUpdateSet((eb) => ({ value: eb("counter.value", "+", "1") })),
    )
    .returning("value")
    .executeTakeFirstOrThrow();
  return Number(value);
}

/** The version's own state says it too (interfaces §4, version). */
async function revokeVersion(tx: Tx, contentHash: string): Promise<void> {
  await tx
    .updateTable("artifact")
    .set({ state: "revoked" })
    .where("content_hash", "=", contentHash)
    .where("state", "=", "admitted")
    .execute();
}
