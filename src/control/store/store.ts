import { Kysely, PostgresDialect, sql } from "kysely";
import type { Transaction } from "kysely";
import pg from "pg";
import { setTimeout as pause } from "node:timers/promises";
import type { Id } from "#platform";
import type { Tables } from "./tables.ts";

export type Tx = Transaction<Tables>;
/** Statements each on its own, or those of a transaction. */
export type Queries = Kysely<Tables>;

/** Either a unix socket folder (embedded) or a URL; the role is caisson_app in both. */
export type DatabaseAddress =
  | {
      readonly socketFolder: string;
      readonly port: number;
      readonly user: string;
      readonly database: string;
    }
  | { readonly url: string };

const POOL_SIZE = 8;
const CONNECT_MS = 5_000;
const STATEMENT_MS = 30_000;
const ANSWER_MS = 1_000;

interface Bounds {
  /** No statement of the transaction takes longer. */
  readonly statementMs: number;
}

export interface Store extends AsyncDisposable {
  /** Rows of that tenant only: row-level security refuses the rest, whatever the query says. */
  asTenant<T>(tenant: Id<"tenant">, work: (tx: Tx) => Promise<T>, bounds?: Bounds): Promise<T>;
  /** The system's own work across tenants: ingest, snapshots, keys by their hash. */
  asSystem<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Statements that name no tenant, each on its own: rows under row-level security are invisible. */
  unscoped<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  /** Whether the database answers now; one that takes longer than a second does not. */
  answers(): Promise<boolean>;
}

export function openStore(address: DatabaseAddress): Store {
  const pool = new pg.Pool({
    ...clientConfig(address),
    max: POOL_SIZE,
    statement_timeout: STATEMENT_MS,
  });
  // A connection that breaks fails whoever uses it next, and the pool replaces it. Without listeners it would end the
  // process: the pool hears it of an idle one only, not of one amid a transaction.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  const database = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const scoped = <T>(
    tenant: string,
    work: (tx: Tx) => Promise<T>,
    { statementMs }: Bounds = { statementMs: STATEMENT_MS },
  ) =>
    database.transaction().execute(async (tx) => {
      await sql`select set_config('caisson.tenant', ${tenant}, true),
        set_config('statement_timeout', ${String(Math.ceil(statementMs))}, true)`.execute(tx);
      return work(tx);
    });
  return {
    asTenant: scoped,
    asSystem: (work) => scoped("*", work),
    unscoped: (work) => work(database),
    answers: () => {
      const asked = sql`select 1`.execute(database).then(
        () => true,
        () => false,
      );
      return Promise.race([asked, pause(ANSWER_MS, false, { ref: false })]);
    },
    [Symbol.asyncDispose]: () => database.destroy(),
  };
}

/** One connection outside the pool; the caller ends it. What breaks it fails the query that waits, and nothing else. */
export async function openClient(address: DatabaseAddress): Promise<pg.Client> {
  const client = new pg.Client(clientConfig(address));
  client.on("error", () => {}); // without a listener it would end the process
  await client.connect();
  return client;
}

function clientConfig(address: DatabaseAddress): pg.ClientConfig {
  // Whoever connects while the database comes back gets an error, and asks again: nothing waits for ever.
  const bounded = { connectionTimeoutMillis: CONNECT_MS };
  if ("url" in address) return { ...bounded, connectionString: address.url };
  return {
    ...bounded,
    host: address.socketFolder,
    port: address.port,
    user: address.user,
    database: address.database,
  };
}
