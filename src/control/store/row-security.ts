import { sql } from "kysely";
import type { Store } from "./store.ts";

/** One row for each hole in what keeps tenants apart. A table of tenants' rows is one whose key begins with the tenant. */
const HOLES = sql<{ hole: string }>`
  select 'the role is a superuser' as hole from pg_roles where rolname = current_user and rolsuper
  union all select 'the role may pass over row-level security' from pg_roles where rolname = current_user and rolbypassrls
  union all select 'the role owns ' || c.relname from pg_class c join pg_roles r on r.oid = c.relowner where r.rolname = current_user
  union all select 'no row-level security on ' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
    where n.nspname = 'public' and a.attname = 'tenant_id' and not (c.relrowsecurity and c.relforcerowsecurity)
  union all select 'installs are seen without a tenant' where exists (select 1 from install)
  limit 1`;

/** Null where the database keeps tenants apart for the role that control has; else the first hole that was found. */
export async function rowSecurityHole(store: Store): Promise<string | null> {
  const { rows } = await store.unscoped((queries) => HOLES.execute(queries));
  return rows[0]?.hole ?? null;
}
