import { Type } from "typebox";
import type { TObject, TProperties, TSchema } from "typebox";
import { fenceScopes } from "#contract";
import type { ErrorCode, FenceScope } from "#contract";
import type { Operation } from "./operation.ts";
import { PostureView } from "./posture-view.ts";

const closed = <T extends TProperties>(properties: T) =>
  Type.Object(properties, { additionalProperties: false });
const Name = Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,38}$" });
const Uuid = Type.String({ pattern: "^[0-9a-f-]{36}$" });
const Digest = Type.String({ pattern: "^sha256:[a-f0-9]{64}$" });
const Extension = Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,38}\\.[a-z0-9][a-z0-9-]{0,38}$" });
const VersionText = Type.String({ minLength: 5, maxLength: 64 });
const Time = Type.String({ description: "RFC 3339, UTC" });
const Action = Type.String({ pattern: "^[a-z]+:[a-z]+$", maxLength: 40 });
const None = closed({});

const ReasonView = Type.Object({
  step: Type.String(),
  code: Type.String(),
  outcome: Type.String(),
  detail: Type.String(),
  children: Type.Array(Type.Unknown()),
});
const VerdictView = Type.Object({
  id: Digest,
  door: Type.String(),
  outcome: Type.String(),
  subject: Type.String(),
  at: Time,
  reasons: Type.Array(ReasonView),
});
const TenantView = closed({ id: Uuid, name: Name, createdAt: Time });
const KeyView = closed({
  id: Uuid,
  name: Type.String(),
  actions: Type.Array(Action),
  createdAt: Time,
  revokedAt: Type.Union([Time, Type.Null()]),
});
const PublisherView = closed({ name: Name, tenant: Uuid });
const ScopeView = closed({
  publishers: Type.Array(Type.String()),
  kinds: Type.Array(Type.String()),
  doors: Type.Array(Type.String()),
});
const AnchorView = closed({
  spki: Digest,
  source: Type.String(),
  scope: Type.Union([ScopeView, Type.Null()]),
  message: Type.Union([Type.String(), Type.Null()]),
});
const ArtifactView = closed({
  contentHash: Digest,
  extension: Extension,
  version: Type.String(),
  state: Type.String(),
  publisherIdentity: Type.Union([Type.String(), Type.Null()]),
  verdict: Type.Union([Digest, Type.Null()]),
});
const InstallView = closed({
  id: Uuid,
  extension: Extension,
  version: Type.String(),
  contentHash: Digest,
  state: Type.String(),
  handle: Type.String(),
  failure: Type.Union([Type.String(), Type.Null()]),
  verdict: Digest,
  config: Type.Record(Type.String(), Type.String()),
});
const ExecutionView = closed({
  id: Uuid,
  requestId: Type.String(),
  extension: Type.String(),
  version: Type.String(),
  contentHash: Digest,
  method: Type.String(),
  endpoint: Type.String(),
  outcome: Type.String(),
  code: Type.String(),
  status: Type.Integer(),
  usage: Type.Record(Type.String(), Type.Number()),
  denied: Type.String(),
  rung: Type.Integer(),
  openedAt: Time,
});
const LogLineView = closed({
  executionId: Uuid,
  extension: Type.String(),
  level: Type.String(),
  message: Type.String(),
  at: Time,
});

const FenceScopeName = Type.Unsafe<FenceScope>({ type: "string", enum: [...fenceScopes] });
const FenceEntryView = closed({
  scope: Type.String(),
  id: Type.String(),
  epoch: Type.Integer(),
  reason: Type.String(),
  reversible: Type.Boolean(),
  by: Type.String(),
});
const BlastView = closed({
  tenants: Type.Integer(),
  installs: Type.Integer(),
  versions: Type.Integer(),
  items: Type.Array(closed({ tenant: Uuid, extension: Type.String(), version: Type.String() })),
});
const EdgeKindName = Type.Unsafe<"gateway" | "runner" | "broker">({
  type: "string",
  enum: ["gateway", "runner", "broker"],
});
const EdgeView = closed({
  id: Uuid,
  kind: Type.String(),
  name: Type.Union([Name, Type.Null()]),
  url: Type.Union([Type.String(), Type.Null()]),
  createdAt: Time,
});
const EdgeReportView = closed({
  edge: Uuid,
  kind: Type.String(),
  connected: Type.Boolean(),
  acknowledged: Type.Boolean(),
  refused: Type.Integer(),
  unqueued: Type.Integer(),
  killed: Type.Integer(),
});

interface Parts<P extends TSchema, Q extends TSchema, B extends TSchema, R extends TSchema> {
  readonly action: string | null;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly reply: R;
  readonly errors?: readonly ErrorCode[];
}

function operation<
  R extends TSchema,
  P extends TSchema = TObject<{}>,
  Q extends TSchema = TObject<{}>,
  B extends TSchema = TObject<{}>,
>(
  id: string,
  at: `${Operation["method"]} /${string}`,
  parts: Parts<P, Q, B, R>,
): Operation<P, Q, B, R> {
  const [method = "GET", path = ""] = at.split(" ");
  return {
    id,
    method: method as Operation["method"], // the template type above allows no other
    path,
    action: parts.action,
    params: parts.params ?? (None as unknown as P), // the defaults of P, Q and B are exactly None's type
    query: parts.query ?? (None as unknown as Q),
    body: parts.body ?? (None as unknown as B),
    reply: parts.reply,
    errors: [
      "request.malformed",
      "auth.required",
      "auth.forbidden",
      "internal.error",
      ...(parts.errors ?? []),
    ],
  };
}

/** The file itself, as text: whoever replays it wants its bytes. */
const EvidenceFile = closed({ evidence: Type.String() });
const inTenant = closed({ tenant: Uuid });

export const operations = {
  health: operation("health", "GET /healthz", {
    action: null,
    reply: closed({ status: Type.String() }),
  }),
  postureShow: operation("posture.show", "GET /v1/posture", {
    action: null,
    reply: PostureView,
  }),
  whoami: operation("whoami", "GET /v1/whoami", {
    action: "self:read",
    reply: closed({
      kind: Type.String(),
      id: Type.String(),
      tenant: Type.Union([Uuid, Type.Null()]),
      actions: Type.Array(Action),
    }),
  }),
  tenantCreate: operation("tenant.create", "POST /v1/tenants", {
    action: "tenant:manage",
    body: closed({ name: Name }),
    reply: TenantView,
    errors: ["tenant.exists"],
  }),
  tenantList: operation("tenant.list", "GET /v1/tenants", {
    action: "tenant:manage",
    reply: closed({ items: Type.Array(TenantView) }),
  }),
  keyCreate: operation("key.create", "POST /v1/tenants/:tenant/keys", {
    action: "key:manage",
    params: inTenant,
    body: closed({
      name: Type.String({ minLength: 1, maxLength: 100 }),
      actions: Type.Array(Action, { minItems: 1, maxItems: 16 }),
    }),
    reply: closed({ id: Uuid, key: Type.String() }),
    errors: ["tenant.unknown"],
  }),
  keyList: operation("key.list", "GET /v1/tenants/:tenant/keys", {
    action: "key:manage",
    params: inTenant,
    reply: closed({ items: Type.Array(KeyView) }),
    errors: ["tenant.unknown"],
  }),
  keyRevoke: operation("key.revoke", "DELETE /v1/tenants/:tenant/keys/:key", {
    action: "key:manage",
    params: closed({ tenant: Uuid, key: Uuid }),
    reply: KeyView,
    errors: ["tenant.unknown", "key.unknown"],
  }),
  publisherCreate: operation("publisher.create", "POST /v1/publishers", {
    action: "publisher:manage",
    body: closed({ name: Name, tenant: Uuid }),
    reply: PublisherView,
    errors: ["tenant.unknown", "publisher.exists"],
  }),
  trustList: operation("trust.list", "GET /v1/trust/anchors", {
    action: "trust:manage",
    reply: closed({ version: Type.Integer(), items: Type.Array(AnchorView) }),
  }),
  trustAdd: operation("trust.add", "POST /v1/trust/anchors", {
    action: "trust:manage",
    body: closed({ pem: Type.String({ minLength: 1, maxLength: 65_536 }) }),
    reply: closed({ items: Type.Array(AnchorView) }),
  }),
  trustScope: operation("trust.scope", "PUT /v1/trust/anchors/:spki/scope", {
    action: "trust:manage",
    params: closed({ spki: Digest }),
    body: ScopeView,
    reply: AnchorView,
    errors: ["anchor.unknown"],
  }),
  publish: operation("artifact.publish", "POST /v1/artifacts", {
    action: "artifact:push",
    body: closed({ extension: Extension, version: VersionText, contentHash: Digest }),
    reply: closed({ artifact: ArtifactView, verdict: VerdictView }),
    errors: ["publisher.unknown", "artifact.unknown", "publish.refused", "version.exists"],
  }),
  publishCheck: operation("artifact.check", "POST /v1/artifacts/check", {
    action: "artifact:push",
    body: closed({ extension: Extension, version: VersionText, contentHash: Digest }),
    reply: closed({ verdict: VerdictView }),
    errors: ["publisher.unknown", "artifact.unknown"],
  }),
  artifactList: operation("artifact.list", "GET /v1/artifacts", {
    action: "artifact:read",
    query: closed({ extension: Type.Optional(Extension) }),
    reply: closed({ items: Type.Array(ArtifactView) }),
  }),
  install: operation("install.create", "POST /v1/tenants/:tenant/installs", {
    action: "install:manage",
    params: inTenant,
    body: closed({
      extension: Extension,
      version: Type.Optional(VersionText),
      capabilities: Type.Optional(Type.Array(Type.String({ maxLength: 40 }), { maxItems: 32 })),
      egress: Type.Optional(Type.Array(Type.String({ maxLength: 300 }), { maxItems: 64 })),
      config: Type.Optional(
        Type.Record(
          Type.String({ pattern: "^[a-z][a-z0-9._-]{0,63}$" }),
          Type.String({ maxLength: 4_096 }),
          {
            maxProperties: 64,
            additionalProperties: false,
          },
        ),
      ),
      memoryBytes: Type.Optional(Type.Integer({ minimum: 1 })),
      deadlineMs: Type.Optional(Type.Integer({ minimum: 1 })),
      fuel: Type.Optional(Type.Integer({ minimum: 1 })),
      rollback: Type.Optional(Type.Boolean()),
    }),
    reply: closed({ install: InstallView, verdict: VerdictView }),
    errors: ["tenant.unknown", "artifact.unknown", "install.refused"],
  }),
  installList: operation("install.list", "GET /v1/tenants/:tenant/installs", {
    action: "install:read",
    params: inTenant,
    reply: closed({ items: Type.Array(InstallView) }),
    errors: ["tenant.unknown"],
  }),
  installShow: operation("install.show", "GET /v1/tenants/:tenant/installs/:extension", {
    action: "install:read",
    params: closed({ tenant: Uuid, extension: Extension }),
    reply: InstallView,
    errors: ["tenant.unknown", "install.unknown"],
  }),
  uninstall: operation("install.remove", "DELETE /v1/tenants/:tenant/installs/:extension", {
    action: "install:manage",
    params: closed({ tenant: Uuid, extension: Extension }),
    reply: closed({ removed: Type.Boolean() }),
    errors: ["tenant.unknown", "install.unknown"],
  }),
  verdictShow: operation("verdict.show", "GET /v1/verdicts/:id", {
    action: "verdict:read",
    params: closed({ id: Digest }),
    reply: VerdictView,
    errors: ["verdict.unknown"],
  }),
  verdictEvidence: operation("verdict.evidence", "GET /v1/verdicts/:id/evidence", {
    action: "verdict:read",
    params: closed({ id: Digest }),
    reply: EvidenceFile,
    errors: ["verdict.unknown", "digest.mismatch"],
  }),
  executionEvidence: operation(
    "execution.evidence",
    "GET /v1/tenants/:tenant/executions/:request/evidence",
    {
      action: "execution:read",
      params: closed({ tenant: Uuid, request: Type.String({ maxLength: 100 }) }),
      reply: EvidenceFile,
      errors: ["tenant.unknown", "execution.unknown", "verdict.unknown", "digest.mismatch"],
    },
  ),
  trustPins: operation("trust.pins", "GET /v1/trust/pins", {
    action: null,
    reply: closed({
      trustRootKey: Type.String(),
      verdictKey: Type.String(),
      stateKey: Type.String(),
      auditLog: Type.String(),
    }),
  }),
  executionShow: operation("execution.show", "GET /v1/tenants/:tenant/executions/:request", {
    action: "execution:read",
    params: closed({ tenant: Uuid, request: Type.String({ maxLength: 100 }) }),
    reply: closed({
      execution: ExecutionView,
      install: Type.Union([VerdictView, Type.Null()]),
      logs: Type.Array(LogLineView),
    }),
    errors: ["tenant.unknown", "execution.unknown"],
  }),
  fenceSet: operation("fence.set", "POST /v1/fence", {
    action: "fence:manage",
    body: closed({
      scope: FenceScopeName,
      id: Type.Optional(Type.String({ maxLength: 80 })),
      reason: Type.String({ minLength: 1, maxLength: 500 }),
      dryRun: Type.Optional(Type.Boolean()),
    }),
    reply: closed({
      entry: Type.Union([FenceEntryView, Type.Null()]),
      stops: BlastView,
      edges: Type.Array(EdgeReportView),
      missing: Type.Array(Type.String()),
    }),
    errors: ["tenant.unknown", "install.unknown", "fence.target", "fence.full"],
  }),
  fenceLift: operation("fence.lift", "POST /v1/fence/lift", {
    action: "fence:manage",
    body: closed({ scope: FenceScopeName, id: Type.Optional(Type.String({ maxLength: 80 })) }),
    reply: closed({
      entry: FenceEntryView,
      edges: Type.Array(EdgeReportView),
      missing: Type.Array(Type.String()),
    }),
    errors: [
      "tenant.unknown",
      "install.unknown",
      "fence.target",
      "fence.unknown",
      "fence.irreversible",
    ],
  }),
  fenceList: operation("fence.list", "GET /v1/fence", {
    action: "fence:manage",
    reply: closed({ epoch: Type.Integer(), items: Type.Array(FenceEntryView) }),
  }),
  edgeEnrol: operation("edge.enrol", "POST /v1/edges", {
    action: "edge:manage",
    body: closed({
      kind: EdgeKindName,
      name: Name,
      url: Type.Optional(Type.String({ pattern: "^https://[^/]{1,255}$" })),
    }),
    reply: closed({
      edge: EdgeView,
      token: Type.String(),
      stateKey: Type.String(),
      trustRootKey: Type.String(),
    }),
    errors: ["edge.exists"],
  }),
  edgeList: operation("edge.list", "GET /v1/edges", {
    action: "edge:manage",
    reply: closed({
      items: Type.Array(
        closed({ edge: EdgeView, connected: Type.Boolean(), acknowledged: Type.Boolean() }),
      ),
    }),
  }),
  edgeRemove: operation("edge.remove", "DELETE /v1/edges/:edge", {
    action: "edge:manage",
    params: closed({ edge: Type.String({ maxLength: 40 }) }),
    reply: closed({
      edge: EdgeView,
      edges: Type.Array(EdgeReportView),
      missing: Type.Array(Type.String()),
    }),
    errors: ["edge.unknown", "fence.full"],
  }),
  executeToken: operation("execute.token", "POST /v1/execute-tokens", {
    action: "execute:token",
    body: closed({
      runner: Type.String({ maxLength: 40 }),
      boot: Type.String({ pattern: "^[A-Za-z0-9_-]{22}$" }),
      body: Type.String({ pattern: "^[A-Za-z0-9_-]{43}$" }),
    }),
    reply: closed({ token: Type.String(), expiresAt: Time }),
    errors: ["edge.unknown"],
  }),
  logList: operation("log.list", "GET /v1/tenants/:tenant/logs", {
    action: "execution:read",
    params: inTenant,
    query: closed({
      extension: Type.Optional(Extension),
      limit: Type.Optional(Type.String({ pattern: "^[1-9][0-9]{0,2}$" })),
    }),
    reply: closed({ items: Type.Array(LogLineView) }),
    errors: ["tenant.unknown"],
  }),
} as const;
