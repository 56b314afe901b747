-- Keys and values of installs (capability storage.kv). The previous release can run beside it: it has no such capability, and
-- leaves the rows of an install that it removes, which nothing reaches any more.

-- What an install holds. Each write locks its row, so that writes at the same time cannot pass the bounds together.
create table kv_space (
  tenant_id uuid not null,
  install_id uuid not null,
  keys integer not null check (keys between 0 and 10000),
  bytes bigint not null check (bytes between 0 and 67108864),
  -- Of the newest write; never used twice.
  revision bigint not null,
  primary key (tenant_id, install_id),
  foreign key (tenant_id, install_id) references install (tenant_id, id)
);

create table kv_entry (
  tenant_id uuid not null,
  install_id uuid not null,
  key bytea not null check (length(key) between 1 and 512),
  value bytea not null check (length(value) <= 65536),
  revision bigint not null,
  expires_at timestamptz,
  primary key (tenant_id, install_id, key),
  foreign key (tenant_id, install_id) references kv_space (tenant_id, install_id)
);
create index kv_entry_by_expiry on kv_entry (expires_at) where expires_at is not null;

do $$
declare t text;
begin
  foreach t in array array['kv_space', 'kv_entry'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format($p$create policy tenant_only on %I
      using (current_setting('caisson.tenant', true) = '*' or current_setting('caisson.tenant', true) = tenant_id::text)
      with check (current_setting('caisson.tenant', true) = '*' or current_setting('caisson.tenant', true) = tenant_id::text)$p$, t);
  end loop;
end $$;

grant select, insert, update, delete on kv_space, kv_entry to caisson_app;
