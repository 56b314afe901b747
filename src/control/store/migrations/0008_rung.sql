-- Which step of the kill ladder ended a call; 0 where none did. The previous release cannot run beside it: its records have no rung.

alter table extension_execution_log add column rung smallint not null default 0;
