import { newId } from "#platform";
import type { Clock, Id } from "#platform";
import type { EdgeKind, Store } from "#store";
import { newEdgeToken, secretHash } from "./api-keys.ts";
import { TenantError } from "./tenant-error.ts";

/** One enrolled edge. name: null for those of control's own machine; url: of a runner elsewhere. */
export interface EdgeRecord {
  readonly id: string;
  readonly kind: EdgeKind;
  readonly name: string | null;
  readonly url: string | null;
  readonly createdAt: Date;
}

export interface WantedEdge {
  readonly kind: EdgeKind;
  readonly name: string;
  /** Origin of a runner's own server, https. */
  readonly url: string | null;
}

/** Enrols an edge of another machine; its token is shown once. Throws TenantError "edge.exists". */
export async function enrolEdge(
  store: Store,
  clock: Clock,
  { kind, name, url }: WantedEdge,
): Promise<EdgeRecord & { readonly token: string }> {
  const [id, token, createdAt] = [newId("edge"), newEdgeToken(), clock.now()];
  const row = { id, kind, name, url, hash: secretHash(token), created_at: createdAt };
  const made = await store.asSystem((tx) =>
    tx
      .insertInto("edge")
      .values({ ...row, revoked_at: null })
      .onConflict((on) => on.doNothing())
      .returning("id")
      .executeTakeFirst(),
  );
  if (made === undefined)
    throw new TenantError(
      "edge.exists",
      `cannot enrol ${name}: an edge of that name or address is enrolled; remove it first`,
    );
  return { id, kind, name, url, createdAt, token };
}

/** An edge of control's own machine, by the token in the data folder; the same one at every start. Resolves with its id. */
export async function enrolLocalEdge(
  store: Store,
  clock: Clock,
  kind: EdgeKind,
  token: string,
): Promise<string> {
  const row = { kind, name: null, url: null, hash: secretHash(token), created_at: clock.now() };
  const { id } = await store.asSystem((tx) =>
    tx
      .insertInto("edge")
      .values({ ...row, id: newId("edge"), revoked_at: null })
      .onConflict((on) => on.column("hash").doUpdateSet({ revoked_at: null }))
      .returning("id")
      .executeTakeFirstOrThrow(),
  );
  return id;
}

/** Control's own machine runs no such edge now: nobody waits for it, and its token opens nothing. */
export async function retireLocalEdge(store: Store, clock: Clock, token: string): Promise<void> {
  await store.asSystem((tx) =>
    tx
      .updateTable("edge")
      .set({ revoked_at: clock.now() })
      .where("hash", "=", secretHash(token))
      .where("revoked_at", "is", null)
      .execute(),
  );
}

/** The edges that are enrolled now. */
export async function listEdges(store: Store): Promise<EdgeRecord[]> {
  const rows = await store.asSystem((tx) =>
    tx.selectFrom("edge").selectAll().where("revoked_at", "is", null).orderBy("id").execute(),
  );
  return rows.map(({ id, kind, name, url, created_at: createdAt }) => ({
    id,
    kind,
    name,
    url,
    createdAt,
  }));
}

/** wanted: name or id, attacker-controlled. Throws TenantError "edge.unknown". */
export async function findEdge(store: Store, wanted: string): Promise<EdgeRecord> {
  const found = (await listEdges(store)).find(({ id, name }) => id === wanted || name === wanted);
  if (found === undefined) throw unknownEdge();
  return found;
}

/** The runner that was enrolled with that address. Throws TenantError "edge.unknown". */
export async function runnerAt(store: Store, url: string): Promise<EdgeRecord> {
  const found = (await listEdges(store)).find((edge) => edge.url === url);
  if (found === undefined) throw unknownEdge();
  return found;
}

/** From here on its token opens nothing. One of control's own machine is not removed: it comes back with the next start. Throws TenantError "edge.unknown". */
export async function removeEdge(store: Store, clock: Clock, id: Id<"edge">): Promise<void> {
  const removed = await store.asSystem((tx) =>
    tx
      .updateTable("edge")
      .set({ revoked_at: clock.now() })
      .where("id", "=", id)
      .where("name", "is not", null)
      .where("revoked_at", "is", null)
      .executeTakeFirst(),
  );
  if (removed.numUpdatedRows === 0n) throw unknownEdge();
}

function unknownEdge(): TenantError {
  return new TenantError(
    "edge.unknown",
    "cannot find an edge of another machine by that name, id or address",
  );
}
