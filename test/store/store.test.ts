import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "#platform";
import type { Id } from "#platform";
import { describeSchema, isDatabaseAway, migrate } from "#store";
import type { Store } from "#store";
import { startTestDatabase } from "./database.ts";
import type { TestDatabase } from "./database.ts";

const BROKEN_MS = 200;
const DEBIAN_BIN = "/usr/lib/postgresql/15/bin";

const debianPresent = existsSync(`${DEBIAN_BIN}/postgres`);
const engines = [
  { engine: "embedded PostgreSQL", bin: undefined },
  { engine: "Debian's PostgreSQL 15", bin: DEBIAN_BIN },
].filter(({ bin }) => bin === undefined || debianPresent);

test.skipIf(!debianPresent)("Debian's PostgreSQL 15 is present", () => {
  expect(debianPresent).toBe(true);
});

describe.each(engines)("store on $engine", ({ bin }) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await startTestDatabase(bin);
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  test("migrate() gives the committed schema.sql, and a second run changes nothing", async () => {
    await migrate(database.owner);
    expect(await describeSchema(database.owner)).toBe(
      await readFile("src/control/store/schema.sql", "utf8"),
    );
  });

  test("a transaction of one tenant cannot see, change or add rows of another [STORE-RLS]", async () => {
    const { store } = database;
    const [a, b] = [await addTenant(store), await addTenant(store)];
    await addKey(store, b);
    const foreign = await store.asTenant(a, (tx) => tx.selectFrom("api_key").selectAll().execute());
    expect(foreign).toEqual([]);
    const changed = await store.asTenant(a, (tx) =>
      tx
        .updateTable("api_key")
        .set({ name: "stolen" })
        .where("tenant_id", "=", b)
        .executeTakeFirst(),
    );
    expect(changed.numUpdatedRows).toBe(0n);
    await expect(store.asTenant(a, (tx) => insertKey(tx, b))).rejects.toThrow(/row-level security/);
  });

  test("a transaction of the tenant itself sees its rows [STORE-RLS twin]", async () => {
    const { store } = database;
    const b = await addTenant(store);
    await addKey(store, b);
    expect(
      await store.asTenant(b, (tx) => tx.selectFrom("api_key").select("tenant_id").execute()),
    ).toEqual([{ tenant_id: b }]);
  });

  test("a transaction without a tenant sees no tenant's rows", async () => {
    const { store } = database;
    await addKey(store, await addTenant(store));
    expect(await store.unscoped((tx) => tx.selectFrom("api_key").selectAll().execute())).toEqual(
      [],
    );
  });

  test("a connection that ends amid a transaction fails that transaction, and nothing else", async () => {
    const { store } = database;
    const broken = store.asSystem(async (tx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
      await store.unscoped((other) =>
        sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(other),
      );
      await pause(BROKEN_MS); // nobody waits for an answer when it ends
      await sql`select 1`.execute(tx);
    });
    expect(await broken.catch(isDatabaseAway)).toBe(true);
    expect(await store.answers()).toBe(true);
  });

  test("the application's role owns nothing and cannot switch row-level security off", async () => {
    const { store } = database;
    await expect(
      store.unscoped((tx) => sql`alter table api_key disable row level security`.execute(tx)),
    ).rejects.toThrow(/must be owner/);
    const roles = await store.unscoped((tx) =>
      sql<{
        rolbypassrls: boolean;
        rolsuper: boolean;
      }>`select rolbypassrls, rolsuper from pg_roles where rolname = current_user`.execute(tx),
    );
    expect(roles.rows).toEqual([{ rolbypassrls: false, rolsuper: false }]);
  });

  test("every table with a tenant_id leads its key with it and has forced row-level security", async () => {
    const text = await describeSchema(database.owner);
    const tables = [...text.matchAll(/^column (\w+)\.tenant_id uuid not null$/gm)].map(
      (match) => match[1],
    );
    const without = new Set(["publisher"]); // global names, owned by a tenant
    for (const table of tables.filter((name) => !without.has(name ?? ""))) {
      expect(text).toContain(`policy ${table} tenant_only forced`);
      expect(text).toMatch(new RegExp(`constraint ${table} PRIMARY KEY \\(tenant_id, `));
    }
    expect(tables.length).toBeGreaterThan(5);
  });
});

async function addTenant(store: Store): Promise<Id<"tenant">> {
  const id = newId("tenant");
  await store.asSystem((tx) =>
    tx
      .insertInto("tenant")
      .values({ id, name: `t-${id.slice(-12)}`, created_at: new Date() })
      .execute(),
  );
  return id;
}

function addKey(store: Store, tenant: Id<"tenant">): Promise<unknown> {
  return store.asTenant(tenant, (tx) => insertKey(tx, tenant));
}

function insertKey(
  tx: Parameters<Parameters<Store["asSystem"]>[0]>[0],
  tenant: string,
): Promise<unknown> {
  const id = newId("apiKey");
  const hash = Buffer.from(id.replaceAll("-", "").repeat(2), "hex");
  return tx
    .insertInto("api_key")
    .values({
      tenant_id: tenant,
      id,
      name: "k",
      hash,
      actions: ["call"],
      created_at: new Date(),
      revoked_at: null,
    })
    .execute();
}
