-- The broker is an edge of its own. The previous release can run beside it: it starts none and refuses none.

alter table edge drop constraint edge_kind_check;
alter table edge add constraint edge_kind_check check (kind in ('gateway', 'runner', 'broker'));
