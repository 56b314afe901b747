import { readdir, readFile } from "node:fs/promises";
import type pg from "pg";
import { CodedError } from "#trust";
import { openClient } from "./store.ts";
import type { DatabaseAddress } from "./store.ts";

const FOLDER = new URL("./migrations/", import.meta.url);
const LOCK_KEY = 7_305_811;

export class StoreError extends CodedError<"store.newer" | "store.migration" | "store.behind"> {
  override readonly name = "StoreError";
}

/**
 * Brings a database to this release's schema as the owner; numbered, forward only, one transaction each, one migrator at a time.
 * Throws StoreError "store.newer" where the database is ahead of this release, "store.migration" where a file fails.
 */
export async function migrate(owner: DatabaseAddress): Promise<void> {
  const client = await openClient(owner);
  try {
    await client.query("set lock_timeout = '30s'");
    await client.query("select pg_advisory_lock($1)", [LOCK_KEY]);
    await client.query(
      "create table if not exists migration (number integer primary key, name text not null, applied_at timestamptz not null default now())",
    );
    await applyPending(client);
  } finally {
    await client.end();
  }
}

/** For who may not change the schema. Throws StoreError "store.behind", "store.newer" where it is not this release's. */
export async function requireCurrent(app: DatabaseAddress): Promise<void> {
  const client = await openClient(app);
  try {
    const files = await migrationFiles();
    const known = numberOf(files.at(-1));
    const applied = await appliedBy(client).catch((): number[] => []); // no such table: nothing was ever applied
    const newest = applied.at(-1) ?? 0;
    if (files.every((name) => applied.includes(numberOf(name))) && newest === known) return;
    if (newest > known) throw newer(newest, known);
    throw new StoreError(
      "store.behind",
      `cannot use the database: its schema is number ${newest}, this release wants ${known}; start once with CAISSON_DATABASE_OWNER_URL, whose role may change it`,
    );
  } finally {
    await client.end();
  }
}

async function migrationFiles(): Promise<string[]> {
  return (await readdir(FOLDER)).filter((name) => /^\d{4}_[a-z_]+\.sql$/.test(name)).toSorted();
}

/** Numbers, growing. */
async function appliedBy(client: pg.Client): Promise<number[]> {
  const { rows } = await client.query<{ number: number }>(
    "select number from migration order by number",
  );
  return rows.map(({ number }) => number);
}

function newer(found: number, known: number): StoreError {
  return new StoreError(
    "store.newer",
    `cannot use the database: its schema is number ${found}, this release knows ${known}; start the newer release`,
  );
}

function numberOf(name = "0"): number {
  return Number(name.slice(0, 4));
}

async function applyPending(client: pg.Client): Promise<void> {
  const files = await migrationFiles();
  const applied = await appliedBy(client);
  const [newest, known] = [applied.at(-1) ?? 0, numberOf(files.at(-1))];
  if (newest > known) throw newer(newest, known);
  for (const name of files.filter((file) => !applied.includes(numberOf(file))))
    await applyOne(client, name);
}

async function applyOne(client: pg.Client, name: string): Promise<void> {
  const text = await readFile(new URL(name, FOLDER), "utf8");
  try {
    await client.query("begin");
    // The record goes first: a second migrator without the lock would collide here, before any change.
    await client.query("insert into migration (number, name) values ($1, $2)", [
      numberOf(name),
      name,
    ]);
    await client.query(text);
    await client.query("commit");
  } catch (cause) {
    await client.query("rollback");
    throw new StoreError("store.migration", `cannot apply migration ${name}`, { cause });
  }
}
