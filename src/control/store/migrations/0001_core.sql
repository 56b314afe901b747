-- The walking system: who may (tenants, keys, publishers, anchors), what there is (artifacts, evidence, verdicts),
-- what runs where (installs, grants, builds) and what was done (executions, usage, guest log). First release: nothing runs beside it.

create table tenant (
  id uuid primary key,
  name text not null unique check (name ~ '^[a-z0-9][a-z0-9-]{0,38}$'),
  created_at timestamptz not null
);

-- Keys of a tenant; the operator's own stand in operator_key.
create table api_key (
  tenant_id uuid not null references tenant (id),
  id uuid not null,
  name text not null check (length(name) between 1 and 100),
  hash bytea not null unique check (length(hash) = 32),
  actions text[] not null,
  created_at timestamptz not null,
  revoked_at timestamptz,
  primary key (tenant_id, id)
);

create table operator_key (
  id uuid primary key,
  hash bytea not null unique check (length(hash) = 32),
  created_at timestamptz not null,
  revoked_at timestamptz
);

-- A gateway or runner that may hold the line to control.
create table edge (
  id uuid primary key,
  kind text not null check (kind in ('gateway', 'runner')),
  hash bytea not null unique check (length(hash) = 32),
  created_at timestamptz not null,
  revoked_at timestamptz
);

create table publisher (
  name text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,38}$'),
  tenant_id uuid not null references tenant (id),
  created_at timestamptz not null
);

-- Public keys the operator added beside SIGNING_TRUST_BUNDLE, and the scope of every anchor; without a scope row an anchor trusts nothing.
create table trust_anchor (
  spki text primary key check (spki ~ '^sha256:[a-f0-9]{64}$'),
  pem text not null,
  scope jsonb,
  valid_from timestamptz,
  valid_to timestamptz,
  created_at timestamptz not null
);

create table trust_root (
  version bigint primary key check (version > 0),
  document bytea not null,
  created_at timestamptz not null
);

-- A pushed manifest: exact bytes, never serialised again.
create table manifest (
  repository text not null,
  digest text not null check (digest ~ '^sha256:[a-f0-9]{64}$'),
  media_type text not null,
  artifact_type text,
  subject text,
  annotations jsonb not null,
  bytes bytea not null,
  created_at timestamptz not null,
  primary key (repository, digest)
);
create index manifest_by_subject on manifest (repository, subject) where subject is not null;

create table manifest_tag (
  repository text not null,
  tag text not null,
  digest text not null,
  updated_at timestamptz not null,
  primary key (repository, tag),
  foreign key (repository, digest) references manifest (repository, digest) on delete cascade
);

-- A blob is visible only in repositories that it was pushed to.
create table repository_blob (
  repository text not null,
  digest text not null check (digest ~ '^sha256:[a-f0-9]{64}$'),
  size bigint not null check (size >= 0),
  created_at timestamptz not null,
  primary key (repository, digest)
);

create table verdict (
  id text primary key check (id ~ '^sha256:[a-f0-9]{64}$'),
  door text not null,
  outcome text not null check (outcome in ('allow', 'ask', 'deny')),
  subject text not null,
  tenant_id uuid references tenant (id),
  document bytea not null,
  created_at timestamptz not null
);

create table artifact (
  content_hash text primary key check (content_hash ~ '^sha256:[a-f0-9]{64}$'),
  extension_id text not null,
  version text not null,
  state text not null check (state in ('pending', 'admitted', 'invalid', 'revoked')),
  config jsonb,
  signature text,
  publisher_identity text,
  sbom_reference text,
  verdict_id text references verdict (id),
  created_at timestamptz not null,
  admitted_at timestamptz
);
create unique index artifact_one_per_version on artifact (extension_id, version) where state in ('admitted', 'revoked');

create table install (
  tenant_id uuid not null references tenant (id),
  id uuid not null,
  extension_id text not null,
  state text not null check (state in ('requested', 'building', 'ready', 'failed', 'disabled', 'fenced', 'removed')),
  grant_id uuid,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id)
);
create unique index install_one_per_extension on install (tenant_id, extension_id) where state <> 'removed';

-- A signed grant; of an install in upgrade, the old one serves until the new one is built.
create table install_grant (
  tenant_id uuid not null,
  id uuid not null,
  install_id uuid not null,
  content_hash text not null references artifact (content_hash),
  handle bytea not null unique check (length(handle) = 16),
  document bytea not null,
  verdict_id text not null references verdict (id),
  state text not null check (state in ('building', 'ready', 'failed', 'superseded')),
  failure text,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, install_id) references install (tenant_id, id)
);

create table extension_execution_log (
  tenant_id uuid not null,
  id uuid not null,
  request_id text not null,
  install_id uuid not null,
  content_hash text not null,
  extension_id text not null,
  version text not null,
  entrance text not null,
  principal_kind text not null,
  principal_id text not null,
  method text not null,
  endpoint text not null,
  outcome text not null check (outcome in ('open', 'done', 'refused', 'trapped', 'deadline', 'cancelled', 'lost')),
  code text not null,
  status integer not null,
  usage jsonb not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  primary key (tenant_id, id)
);
create index execution_by_request on extension_execution_log (tenant_id, request_id);
create index execution_by_time on extension_execution_log (tenant_id, opened_at desc);

create table extension_quota_usage (
  tenant_id uuid not null,
  install_id uuid not null,
  window_start timestamptz not null,
  invocations bigint not null,
  cpu_us bigint not null,
  wall_us bigint not null,
  memory_byte_ms numeric not null,
  bytes_in bigint not null,
  bytes_out bigint not null,
  primary key (tenant_id, install_id, window_start)
);

create table extension_log (
  tenant_id uuid not null,
  execution_id uuid not null,
  seq integer not null,
  install_id uuid not null,
  extension_id text not null,
  level text not null,
  message text not null,
  at timestamptz not null,
  primary key (tenant_id, execution_id, seq)
);
create index extension_log_by_time on extension_log (tenant_id, extension_id, at desc);

-- Counters that must never run backwards (snapshot epoch).
create table counter (name text primary key, value bigint not null);

-- Rows of a tenant are seen by that tenant's transactions, and by those that name '*' (the system's own work).
do $$
declare t text;
begin
  foreach t in array array['api_key', 'install', 'install_grant', 'extension_execution_log', 'extension_quota_usage', 'extension_log'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format($p$create policy tenant_only on %I using (current_setting('caisson.tenant', true) in (tenant_id::text, '*'))
      with check (current_setting('caisson.tenant', true) in (tenant_id::text, '*'))$p$, t);
  end loop;
end $$;

grant usage on schema public to caisson_app;
grant select, insert, update, delete on all tables in schema public to caisson_app;
