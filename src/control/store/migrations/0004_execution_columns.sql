-- Records come by the thousand: use in columns of fixed width instead of a document, the request id as what it is, no index
-- that no query asks for, and a policy that knows the system's own work before it turns an id into text. The previous
-- release cannot run beside it: it writes the column "usage".

select set_config('caisson.tenant', '*', true);

drop index execution_by_time;

alter table extension_execution_log
  alter column request_id type uuid using request_id::uuid,
  add column wall_us bigint not null default 0,
  add column queue_us bigint not null default 0,
  add column cpu_us bigint not null default 0,
  add column peak_memory_bytes bigint not null default 0,
  add column bytes_in bigint not null default 0,
  add column bytes_out bigint not null default 0,
  add column log_bytes integer not null default 0,
  add column log_lines integer not null default 0,
  add column dropped_log_lines integer not null default 0;

update extension_execution_log set
  wall_us = (usage ->> 'wallUs')::bigint,
  queue_us = (usage ->> 'queueUs')::bigint,
  cpu_us = (usage ->> 'cpuUs')::bigint,
  peak_memory_bytes = (usage ->> 'peakMemoryBytes')::bigint,
  bytes_in = (usage ->> 'bytesIn')::bigint,
  bytes_out = (usage ->> 'bytesOut')::bigint,
  log_bytes = (usage ->> 'logBytes')::integer,
  log_lines = (usage ->> 'logLines')::integer,
  dropped_log_lines = (usage ->> 'droppedLogLines')::integer;

alter table extension_execution_log
  drop column usage,
  alter column wall_us drop default,
  alter column queue_us drop default,
  alter column cpu_us drop default,
  alter column peak_memory_bytes drop default,
  alter column bytes_in drop default,
  alter column bytes_out drop default,
  alter column log_bytes drop default,
  alter column log_lines drop default,
  alter column dropped_log_lines drop default;

alter policy tenant_only on extension_execution_log
  using (current_setting('caisson.tenant', true) = '*' or current_setting('caisson.tenant', true) = tenant_id::text)
  with check (current_setting('caisson.tenant', true) = '*' or current_setting('caisson.tenant', true) = tenant_id::text);
