-- What calls did outside the sandbox, and what they were denied first. The previous release cannot run beside it: its sums of
-- use would leave the new columns empty.

alter table extension_execution_log
  add column capability_calls integer not null default 0,
  add column egress_requests integer not null default 0,
  add column egress_in_bytes bigint not null default 0,
  add column egress_out_bytes bigint not null default 0,
  add column denied text not null default '';

alter table extension_quota_usage
  add column capability_calls bigint not null default 0,
  add column egress_requests bigint not null default 0,
  add column egress_in_bytes bigint not null default 0,
  add column egress_out_bytes bigint not null default 0;
