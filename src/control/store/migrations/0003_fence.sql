-- What is stopped: one row per revocation or halt, kept after it is lifted. The previous release can run beside it: it
-- reads no fence and stops nothing, so that running it beside this one is no way to keep a fence.

create table fence_entry (
  epoch bigint primary key check (epoch > 0),
  scope text not null check (scope in ('all', 'tenant', 'extension', 'install', 'digest', 'publisher', 'key')),
  id text not null check (length(id) between 1 and 80),
  reason text not null check (length(reason) between 1 and 500),
  reversible boolean not null,
  set_by text not null,
  -- The tenant whose key set it: null for the operator, whose entries no tenant lifts.
  owner_tenant uuid references tenant (id),
  set_at timestamptz not null,
  lifted_at timestamptz,
  lifted_by text,
  check (lifted_at is null or reversible)
);
create unique index fence_entry_standing on fence_entry (scope, id) where lifted_at is null;

grant select, insert, update on fence_entry to caisson_app;
