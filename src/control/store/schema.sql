column api_key.tenant_id uuid not null
column api_key.id uuid not null
column api_key.name text not null
column api_key.hash bytea not null
column api_key.actions text[] not null
column api_key.created_at timestamp with time zone not null
column api_key.revoked_at timestamp with time zone
column artifact.content_hash text not null
column artifact.extension_id text not null
column artifact.version text not null
column artifact.state text not null
column artifact.config jsonb
column artifact.signature text
column artifact.publisher_identity text
column artifact.sbom_reference text
column artifact.verdict_id text
column artifact.created_at timestamp with time zone not null
column artifact.admitted_at timestamp with time zone
column audit_record.leaf bytea not null
column audit_record.log_index bigint not null
column audit_record.salt bytea not null
column audit_record.record bytea not null
column audit_record.created_at timestamp with time zone not null
column counter.name text not null
column counter.value bigint not null
column edge.id uuid not null
column edge.kind text not null
column edge.hash bytea not null
column edge.created_at timestamp with time zone not null
column edge.revoked_at timestamp with time zone
column edge.name text
column edge.url text
column extension_execution_log.tenant_id uuid not null
column extension_execution_log.id uuid not null
column extension_execution_log.request_id uuid not null
column extension_execution_log.install_id uuid not null
column extension_execution_log.content_hash text not null
column extension_execution_log.extension_id text not null
column extension_execution_log.version text not null
column extension_execution_log.entrance text not null
column extension_execution_log.principal_kind text not null
column extension_execution_log.principal_id text not null
column extension_execution_log.method text not null
column extension_execution_log.endpoint text not null
column extension_execution_log.outcome text not null
column extension_execution_log.code text not null
column extension_execution_log.status integer not null
column extension_execution_log.opened_at timestamp with time zone not null
column extension_execution_log.closed_at timestamp with time zone
column extension_execution_log.wall_us bigint not null
column extension_execution_log.queue_us bigint not null
column extension_execution_log.cpu_us bigint not null
column extension_execution_log.peak_memory_bytes bigint not null
column extension_execution_log.bytes_in bigint not null
column extension_execution_log.bytes_out bigint not null
column extension_execution_log.log_bytes integer not null
column extension_execution_log.log_lines integer not null
column extension_execution_log.dropped_log_lines integer not null
column extension_execution_log.capability_calls integer not null
column extension_execution_log.egress_requests integer not null
column extension_execution_log.egress_in_bytes bigint not null
column extension_execution_log.egress_out_bytes bigint not null
column extension_execution_log.denied text not null
column extension_execution_log.rung smallint not null
column extension_execution_log.fuel bigint not null
column extension_log.tenant_id uuid not null
column extension_log.execution_id uuid not null
column extension_log.seq integer not null
column extension_log.install_id uuid not null
column extension_log.extension_id text not null
column extension_log.level text not null
column extension_log.message text not null
column extension_log.at timestamp with time zone not null
column extension_quota_usage.tenant_id uuid not null
column extension_quota_usage.install_id uuid not null
column extension_quota_usage.window_start timestamp with time zone not null
column extension_quota_usage.invocations bigint not null
column extension_quota_usage.cpu_us bigint not null
column extension_quota_usage.wall_us bigint not null
column extension_quota_usage.memory_byte_ms numeric not null
column extension_quota_usage.bytes_in bigint not null
column extension_quota_usage.bytes_out bigint not null
column extension_quota_usage.capability_calls bigint not null
column extension_quota_usage.egress_requests bigint not null
column extension_quota_usage.egress_in_bytes bigint not null
column extension_quota_usage.egress_out_bytes bigint not null
column extension_quota_usage.fuel bigint not null
column fence_entry.epoch bigint not null
column fence_entry.scope text not null
column fence_entry.id text not null
column fence_entry.reason text not null
column fence_entry.reversible boolean not null
column fence_entry.set_by text not null
column fence_entry.owner_tenant uuid
column fence_entry.set_at timestamp with time zone not null
column fence_entry.lifted_at timestamp with time zone
column fence_entry.lifted_by text
column install.tenant_id uuid not null
column install.id uuid not null
column install.extension_id text not null
column install.state text not null
column install.grant_id uuid
column install.created_at timestamp with time zone not null
column install.updated_at timestamp with time zone not null
column install_grant.tenant_id uuid not null
column install_grant.id uuid not null
column install_grant.install_id uuid not null
column install_grant.content_hash text not null
column install_grant.handle bytea not null
column install_grant.document bytea not null
column install_grant.verdict_id text not null
column install_grant.state text not null
column install_grant.failure text
column install_grant.created_at timestamp with time zone not null
column kv_entry.tenant_id uuid not null
column kv_entry.install_id uuid not null
column kv_entry.key bytea not null
column kv_entry.value bytea not null
column kv_entry.revision bigint not null
column kv_entry.expires_at timestamp with time zone
column kv_space.tenant_id uuid not null
column kv_space.install_id uuid not null
column kv_space.keys integer not null
column kv_space.bytes bigint not null
column kv_space.revision bigint not null
column manifest.repository text not null
column manifest.digest text not null
column manifest.media_type text not null
column manifest.artifact_type text
column manifest.subject text
column manifest.annotations jsonb not null
column manifest.bytes bytea not null
column manifest.created_at timestamp with time zone not null
column manifest_tag.repository text not null
column manifest_tag.tag text not null
column manifest_tag.digest text not null
column manifest_tag.updated_at timestamp with time zone not null
column migration.number integer not null
column migration.name text not null
column migration.applied_at timestamp with time zone not null
column operator_key.id uuid not null
column operator_key.hash bytea not null
column operator_key.created_at timestamp with time zone not null
column operator_key.revoked_at timestamp with time zone
column publisher.name text not null
column publisher.tenant_id uuid not null
column publisher.created_at timestamp with time zone not null
column repository_blob.repository text not null
column repository_blob.digest text not null
column repository_blob.size bigint not null
column repository_blob.created_at timestamp with time zone not null
column tenant.id uuid not null
column tenant.name text not null
column tenant.created_at timestamp with time zone not null
column trust_anchor.spki text not null
column trust_anchor.pem text not null
column trust_anchor.scope jsonb
column trust_anchor.valid_from timestamp with time zone
column trust_anchor.valid_to timestamp with time zone
column trust_anchor.created_at timestamp with time zone not null
column trust_root.version bigint not null
column trust_root.document bytea not null
column trust_root.created_at timestamp with time zone not null
column verdict.id text not null
column verdict.door text not null
column verdict.outcome text not null
column verdict.subject text not null
column verdict.tenant_id uuid
column verdict.document bytea not null
column verdict.created_at timestamp with time zone not null
constraint api_key CHECK (((length(name) >= 1) AND (length(name) <= 100)))
constraint api_key CHECK ((length(hash) = 32))
constraint api_key FOREIGN KEY (tenant_id) REFERENCES tenant(id)
constraint api_key PRIMARY KEY (tenant_id, id)
constraint api_key UNIQUE (hash)
constraint artifact CHECK ((content_hash ~ '^sha256:[a-f0-9]{64}$'::text))
constraint artifact CHECK ((state = ANY (ARRAY['pending'::text, 'admitted'::text, 'invalid'::text, 'revoked'::text])))
constraint artifact FOREIGN KEY (verdict_id) REFERENCES verdict(id)
constraint artifact PRIMARY KEY (content_hash)
constraint audit_record CHECK ((length(leaf) = 32))
constraint audit_record CHECK ((length(salt) = 32))
constraint audit_record PRIMARY KEY (leaf)
constraint counter PRIMARY KEY (name)
constraint edge CHECK (((url IS NULL) OR (kind = 'runner'::text)))
constraint edge CHECK ((kind = ANY (ARRAY['gateway'::text, 'runner'::text, 'broker'::text])))
constraint edge CHECK ((length(hash) = 32))
constraint edge CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,38}$'::text))
constraint edge CHECK ((url ~ '^https://[^/]{1,255}$'::text))
constraint edge PRIMARY KEY (id)
constraint edge UNIQUE (hash)
constraint extension_execution_log CHECK ((outcome = ANY (ARRAY['open'::text, 'done'::text, 'refused'::text, 'trapped'::text, 'deadline'::text, 'cancelled'::text, 'lost'::text])))
constraint extension_execution_log PRIMARY KEY (tenant_id, id)
constraint extension_log PRIMARY KEY (tenant_id, execution_id, seq)
constraint extension_quota_usage PRIMARY KEY (tenant_id, install_id, window_start)
constraint fence_entry CHECK (((length(id) >= 1) AND (length(id) <= 80)))
constraint fence_entry CHECK (((length(reason) >= 1) AND (length(reason) <= 500)))
constraint fence_entry CHECK (((lifted_at IS NULL) OR reversible))
constraint fence_entry CHECK ((epoch > 0))
constraint fence_entry CHECK ((scope = ANY (ARRAY['all'::text, 'tenant'::text, 'extension'::text, 'install'::text, 'digest'::text, 'publisher'::text, 'key'::text, 'edge'::text])))
constraint fence_entry FOREIGN KEY (owner_tenant) REFERENCES tenant(id)
constraint fence_entry PRIMARY KEY (epoch)
constraint install CHECK ((state = ANY (ARRAY['requested'::text, 'building'::text, 'ready'::text, 'failed'::text, 'disabled'::text, 'fenced'::text, 'removed'::text])))
constraint install FOREIGN KEY (tenant_id) REFERENCES tenant(id)
constraint install PRIMARY KEY (tenant_id, id)
constraint install_grant CHECK ((length(handle) = 16))
constraint install_grant CHECK ((state = ANY (ARRAY['building'::text, 'ready'::text, 'failed'::text, 'superseded'::text])))
constraint install_grant FOREIGN KEY (content_hash) REFERENCES artifact(content_hash)
constraint install_grant FOREIGN KEY (tenant_id, install_id) REFERENCES install(tenant_id, id)
constraint install_grant FOREIGN KEY (verdict_id) REFERENCES verdict(id)
constraint install_grant PRIMARY KEY (tenant_id, id)
constraint install_grant UNIQUE (handle)
constraint kv_entry CHECK (((length(key) >= 1) AND (length(key) <= 512)))
constraint kv_entry CHECK ((length(value) <= 65536))
constraint kv_entry FOREIGN KEY (tenant_id, install_id) REFERENCES kv_space(tenant_id, install_id)
constraint kv_entry PRIMARY KEY (tenant_id, install_id, key)
constraint kv_space CHECK (((bytes >= 0) AND (bytes <= 67108864)))
constraint kv_space CHECK (((keys >= 0) AND (keys <= 10000)))
constraint kv_space FOREIGN KEY (tenant_id, install_id) REFERENCES install(tenant_id, id)
constraint kv_space PRIMARY KEY (tenant_id, install_id)
constraint manifest CHECK ((digest ~ '^sha256:[a-f0-9]{64}$'::text))
constraint manifest PRIMARY KEY (repository, digest)
constraint manifest_tag FOREIGN KEY (repository, digest) REFERENCES manifest(repository, digest) ON DELETE CASCADE
constraint manifest_tag PRIMARY KEY (repository, tag)
constraint migration PRIMARY KEY (number)
constraint operator_key CHECK ((length(hash) = 32))
constraint operator_key PRIMARY KEY (id)
constraint operator_key UNIQUE (hash)
constraint publisher CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,38}$'::text))
constraint publisher FOREIGN KEY (tenant_id) REFERENCES tenant(id)
constraint publisher PRIMARY KEY (name)
constraint repository_blob CHECK ((digest ~ '^sha256:[a-f0-9]{64}$'::text))
constraint repository_blob CHECK ((size >= 0))
constraint repository_blob PRIMARY KEY (repository, digest)
constraint tenant CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,38}$'::text))
constraint tenant PRIMARY KEY (id)
constraint tenant UNIQUE (name)
constraint trust_anchor CHECK ((spki ~ '^sha256:[a-f0-9]{64}$'::text))
constraint trust_anchor PRIMARY KEY (spki)
constraint trust_root CHECK ((version > 0))
constraint trust_root PRIMARY KEY (version)
constraint verdict CHECK ((id ~ '^sha256:[a-f0-9]{64}$'::text))
constraint verdict CHECK ((outcome = ANY (ARRAY['allow'::text, 'ask'::text, 'deny'::text])))
constraint verdict FOREIGN KEY (tenant_id) REFERENCES tenant(id)
constraint verdict PRIMARY KEY (id)
index CREATE UNIQUE INDEX api_key_hash_key ON public.api_key USING btree (hash)
index CREATE UNIQUE INDEX api_key_pkey ON public.api_key USING btree (tenant_id, id)
index CREATE UNIQUE INDEX artifact_one_per_version ON public.artifact USING btree (extension_id, version) WHERE (state = ANY (ARRAY['admitted'::text, 'revoked'::text]))
index CREATE UNIQUE INDEX artifact_pkey ON public.artifact USING btree (content_hash)
index CREATE UNIQUE INDEX audit_record_pkey ON public.audit_record USING btree (leaf)
index CREATE UNIQUE INDEX counter_pkey ON public.counter USING btree (name)
index CREATE UNIQUE INDEX edge_hash_key ON public.edge USING btree (hash)
index CREATE UNIQUE INDEX edge_name_live ON public.edge USING btree (name) WHERE (revoked_at IS NULL)
index CREATE UNIQUE INDEX edge_pkey ON public.edge USING btree (id)
index CREATE UNIQUE INDEX edge_url_live ON public.edge USING btree (url) WHERE (revoked_at IS NULL)
index CREATE INDEX execution_by_request ON public.extension_execution_log USING btree (tenant_id, request_id)
index CREATE UNIQUE INDEX extension_execution_log_pkey ON public.extension_execution_log USING btree (tenant_id, id)
index CREATE INDEX extension_log_by_time ON public.extension_log USING btree (tenant_id, extension_id, at DESC)
index CREATE UNIQUE INDEX extension_log_pkey ON public.extension_log USING btree (tenant_id, execution_id, seq)
index CREATE UNIQUE INDEX extension_quota_usage_pkey ON public.extension_quota_usage USING btree (tenant_id, install_id, window_start)
index CREATE UNIQUE INDEX fence_entry_pkey ON public.fence_entry USING btree (epoch)
index CREATE UNIQUE INDEX fence_entry_standing ON public.fence_entry USING btree (scope, id) WHERE (lifted_at IS NULL)
index CREATE UNIQUE INDEX install_one_per_extension ON public.install USING btree (tenant_id, extension_id) WHERE (state <> 'removed'::text)
index CREATE UNIQUE INDEX install_pkey ON public.install USING btree (tenant_id, id)
index CREATE UNIQUE INDEX install_grant_handle_key ON public.install_grant USING btree (handle)
index CREATE UNIQUE INDEX install_grant_pkey ON public.install_grant USING btree (tenant_id, id)
index CREATE INDEX kv_entry_by_expiry ON public.kv_entry USING btree (expires_at) WHERE (expires_at IS NOT NULL)
index CREATE UNIQUE INDEX kv_entry_pkey ON public.kv_entry USING btree (tenant_id, install_id, key)
index CREATE UNIQUE INDEX kv_space_pkey ON public.kv_space USING btree (tenant_id, install_id)
index CREATE INDEX manifest_by_subject ON public.manifest USING btree (repository, subject) WHERE (subject IS NOT NULL)
index CREATE UNIQUE INDEX manifest_pkey ON public.manifest USING btree (repository, digest)
index CREATE UNIQUE INDEX manifest_tag_pkey ON public.manifest_tag USING btree (repository, tag)
index CREATE UNIQUE INDEX migration_pkey ON public.migration USING btree (number)
index CREATE UNIQUE INDEX operator_key_hash_key ON public.operator_key USING btree (hash)
index CREATE UNIQUE INDEX operator_key_pkey ON public.operator_key USING btree (id)
index CREATE UNIQUE INDEX publisher_pkey ON public.publisher USING btree (name)
index CREATE UNIQUE INDEX repository_blob_pkey ON public.repository_blob USING btree (repository, digest)
index CREATE UNIQUE INDEX tenant_name_key ON public.tenant USING btree (name)
index CREATE UNIQUE INDEX tenant_pkey ON public.tenant USING btree (id)
index CREATE UNIQUE INDEX trust_anchor_pkey ON public.trust_anchor USING btree (spki)
index CREATE UNIQUE INDEX trust_root_pkey ON public.trust_root USING btree (version)
index CREATE UNIQUE INDEX verdict_pkey ON public.verdict USING btree (id)
policy api_key tenant_only forced ((current_setting('caisson.tenant'::text, true) = (tenant_id)::text) OR (current_setting('caisson.tenant'::text, true) = '*'::text))
policy extension_execution_log tenant_only forced ((current_setting('caisson.tenant'::text, true) = '*'::text) OR (current_setting('caisson.tenant'::text, true) = (tenant_id)::text))
policy extension_log tenant_only forced ((current_setting('caisson.tenant'::text, true) = (tenant_id)::text) OR (current_setting('caisson.tenant'::text, true) = '*'::text))
policy extension_quota_usage tenant_only forced ((current_setting('caisson.tenant'::text, true) = (tenant_id)::text) OR (current_setting('caisson.tenant'::text, true) = '*'::text))
policy install tenant_only forced ((current_setting('caisson.tenant'::text, true) = (tenant_id)::text) OR (current_setting('caisson.tenant'::text, true) = '*'::text))
policy install_grant tenant_only forced ((current_setting('caisson.tenant'::text, true) = (tenant_id)::text) OR (current_setting('caisson.tenant'::text, true) = '*'::text))
policy kv_entry tenant_only forced ((current_setting('caisson.tenant'::text, true) = '*'::text) OR (current_setting('caisson.tenant'::text, true) = (tenant_id)::text))
policy kv_space tenant_only forced ((current_setting('caisson.tenant'::text, true) = '*'::text) OR (current_setting('caisson.tenant'::text, true) = (tenant_id)::text))
