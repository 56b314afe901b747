-- What the audit log's leaves stand for: a leaf is SHA-256(salt, record), so the log can be published without telling
-- anything. The previous release can run beside it: it writes no rows here.

create table audit_record (
  leaf bytea primary key check (length(leaf) = 32),
  log_index bigint not null,
  salt bytea not null check (length(salt) = 32),
  record bytea not null,
  created_at timestamptz not null
);

grant select, insert on audit_record to caisson_app;
