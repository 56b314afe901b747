-- Edges of other machines have a name, and a runner there an address; the edges of control's own machine have neither.
-- Removing one is an entry of the fence. The previous release can run beside it: it names no edge and knows no such entry.

alter table edge
  add column name text check (name ~ '^[a-z0-9][a-z0-9-]{0,38}$'),
  add column url text check (url ~ '^https://[^/]{1,255}$'),
  add constraint edge_url_of_runner check (url is null or kind = 'runner');
create unique index edge_name_live on edge (name) where revoked_at is null;
create unique index edge_url_live on edge (url) where revoked_at is null;

alter table fence_entry drop constraint fence_entry_scope_check;
alter table fence_entry add constraint fence_entry_scope_check
  check (scope in ('all', 'tenant', 'extension', 'install', 'digest', 'publisher', 'key', 'edge'));
