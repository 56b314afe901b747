-- Fuel that calls used up, where it is counted. The previous release cannot run beside it: its sums of use would leave the
-- new column empty.

alter table extension_execution_log add column fuel bigint not null default 0;
alter table extension_quota_usage add column fuel bigint not null default 0;
