import { openClient } from "./store.ts";
import type { DatabaseAddress } from "./store.ts";

const COLUMNS = `
  select c.relname as "table", a.attname as "column", format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required
  from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
  where n.nspname = 'public' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped order by 1, a.attnum`;
const CONSTRAINTS = `
  select c.relname as "table", pg_get_constraintdef(k.oid) as definition
  from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'public' and k.contype in ('p', 'u', 'f', 'c') order by 1, 2`;
const INDEXES = `select tablename as "table", indexdef as definition from pg_indexes where schemaname = 'public' order by 1, 2`;
const POLICIES = `
  select c.relname as "table", c.relforcerowsecurity as forced, p.polname as name, pg_get_expr(p.polqual, p.polrelid) as using
  from pg_policy p join pg_class c on c.oid = p.polrelid order by 1, 3`;

interface Line {
  readonly table: string;
}

/** The schema as the catalogue tells it, a line per fact, the same on every supported PostgreSQL. */
export async function describeSchema(owner: DatabaseAddress): Promise<string> {
  const client = await openClient(owner);
  try {
    const columns = await client.query<Line & { column: string; type: string; required: boolean }>(
      COLUMNS,
    );
    const constraints = await client.query<Line & { definition: string }>(CONSTRAINTS);
    const indexes = await client.query<Line & { definition: string }>(INDEXES);
    const policies = await client.query<Line & { forced: boolean; name: string; using: string }>(
      POLICIES,
    );
    const lines = [
      ...columns.rows.map(
        (row) => `column ${row.table}.${row.column} ${row.type}${row.required ? " not null" : ""}`,
      ),
      ...constraints.rows.map((row) => `constraint ${row.table} ${row.definition}`),
      ...indexes.rows.map((row) => `index ${row.definition}`),
      ...policies.rows.map(
        (row) => `policy ${row.table} ${row.name}${row.forced ? " forced" : ""} ${row.using}`,
      ),
    ];
    return `${lines.join("\n")}\n`;
  } finally {
    await client.end();
  }
}
