import type { ColumnType } from "kysely";
import type { FenceEntryScope } from "#contract";

/** Rows as PostgreSQL gives them; int8 comes as text, bytea as Buffer, jsonb as a value. */
type Json<T> = ColumnType<T, string, string>;
type BigInt8 = ColumnType<string, number | bigint | string, number | bigint | string>;

export interface Tables {
  tenant: { id: string; name: string; created_at: Date };
  api_key: {
    tenant_id: string;
    id: string;
    name: string;
    hash: Buffer;
    actions: string[];
    created_at: Date;
    revoked_at: Date | null;
  };
  operator_key: { id: string; hash: Buffer; created_at: Date; revoked_at: Date | null };
  edge: {
    id: string;
    kind: EdgeKind;
    name: string | null;
    url: string | null;
    hash: Buffer;
    created_at: Date;
    revoked_at: Date | null;
  };
  publisher: { name: string; tenant_id: string; created_at: Date };
  trust_anchor: {
    spki: string;
    pem: string;
    scope: Json<AnchorScopeRow | null>;
    valid_from: Date | null;
    valid_to: Date | null;
    created_at: Date;
  };
  trust_root: { version: BigInt8; document: Buffer; created_at: Date };
  manifest: {
    repository: string;
    digest: string;
    media_type: string;
    artifact_type: string | null;
    subject: string | null;
    annotations: Json<Record<string, string>>;
    bytes: Buffer;
    created_at: Date;
  };
  manifest_tag: { repository: string; tag: string; digest: string; updated_at: Date };
  repository_blob: { repository: string; digest: string; size: BigInt8; created_at: Date };
  verdict: {
    id: string;
    door: string;
    outcome: string;
    subject: string;
    tenant_id: string | null;
    document: Buffer;
    created_at: Date;
  };
  artifact: {
    content_hash: string;
    extension_id: string;
    version: string;
    state: ArtifactState;
    config: Json<unknown>;
    signature: string | null;
    publisher_identity: string | null;
    sbom_reference: string | null;
    verdict_id: string | null;
    created_at: Date;
    admitted_at: Date | null;
  };
  install: {
    tenant_id: string;
    id: string;
    extension_id: string;
    state: InstallState;
    grant_id: string | null;
    created_at: Date;
    updated_at: Date;
  };
  install_grant: {
    tenant_id: string;
    id: string;
    install_id: string;
    content_hash: string;
    handle: Buffer;
    document: Buffer;
    verdict_id: string;
    state: GrantState;
    failure: string | null;
    created_at: Date;
  };
  extension_execution_log: ExecutionRow;
  extension_quota_usage: {
    tenant_id: string;
    install_id: string;
    window_start: Date;
    invocations: BigInt8;
    cpu_us: BigInt8;
    wall_us: BigInt8;
    memory_byte_ms: BigInt8;
    bytes_in: BigInt8;
    bytes_out: BigInt8;
    capability_calls: BigInt8;
    egress_requests: BigInt8;
    egress_in_bytes: BigInt8;
    egress_out_bytes: BigInt8;
    fuel: BigInt8;
  };
  extension_log: {
    tenant_id: string;
    execution_id: string;
    seq: number;
    install_id: string;
    extension_id: string;
    level: string;
    message: string;
    at: Date;
  };
  kv_space: {
    tenant_id: string;
    install_id: string;
    keys: number;
    bytes: BigInt8;
    revision: BigInt8;
  };
  kv_entry: {
    tenant_id: string;
    install_id: string;
    key: Buffer;
    value: Buffer;
    revision: BigInt8;
    expires_at: Date | null;
  };
  audit_record: {
    leaf: Buffer;
    log_index: BigInt8;
    salt: Buffer;
    record: Buffer;
    created_at: Date;
  };
  fence_entry: {
    epoch: BigInt8;
    scope: FenceEntryScope;
    id: string;
    reason: string;
    reversible: boolean;
    set_by: string;
    owner_tenant: string | null;
    set_at: Date;
    lifted_at: Date | null;
    lifted_by: string | null;
  };
  counter: { name: string; value: BigInt8 };
}

export const edgeKinds = ["gateway", "runner", "broker"] as const;
export type EdgeKind = (typeof edgeKinds)[number];
export type ArtifactState = "pending" | "admitted" | "invalid" | "revoked";
export type InstallState =
  | "requested"
  | "building"
  | "ready"
  | "failed"
  | "disabled"
  | "fenced"
  | "removed";
export type GrantState = "building" | "ready" | "failed" | "superseded";

export interface AnchorScopeRow {
  readonly publishers: readonly string[];
  readonly kinds: readonly string[];
  readonly doors: readonly string[];
}

export interface ExecutionRow {
  tenant_id: string;
  id: string;
  request_id: string;
  install_id: string;
  content_hash: string;
  extension_id: string;
  version: string;
  entrance: string;
  principal_kind: string;
  principal_id: string;
  method: string;
  endpoint: string;
  outcome: string;
  code: string;
  status: number;
  opened_at: Date;
  closed_at: Date | null;
  wall_us: BigInt8;
  queue_us: BigInt8;
  cpu_us: BigInt8;
  peak_memory_bytes: BigInt8;
  bytes_in: BigInt8;
  bytes_out: BigInt8;
  log_bytes: number;
  log_lines: number;
  dropped_log_lines: number;
  capability_calls: number;
  egress_requests: number;
  egress_in_bytes: BigInt8;
  egress_out_bytes: BigInt8;
  fuel: BigInt8;
  denied: string;
  rung: number;
}
