import { digestOf } from "#trust";
import type { AuditEvent } from "#audit";
import type { FastifyInstance } from "fastify";
import { evidenceText } from "#contract";
import { operations } from "#http-api";
import type { BodyOf, Operation, ParamsOf, QueryOf, ReplyOf } from "#http-api";
import { findExecution, listLogLines } from "#executions";
import type { Principal, Resource, Verdict } from "#policy";
import { verdictId } from "#policy";
import {
  findInstall,
  findVerdict,
  installExtension,
  listArtifacts,
  listInstalls,
  checkPublish,
  publishArtifact,
  RegistryError,
  uninstallExtension,
  verdictEvidence,
  verdictOfCall,
} from "#registry";
import type { KeptVerdict } from "#registry";
import {
  createApiKey,
  createPublisher,
  createTenant,
  findTenant,
  listApiKeys,
  listTenants,
  publisherOwner,
  revokeApiKey,
} from "#tenants";
import type { ApiKeyRecord, Tenant } from "#tenants";
import { ApiRefusal } from "./api-error.ts";
import { authenticate, nameOf, requireMay } from "./authenticate.ts";
import type { RouteParts } from "./control-parts.ts";
import { serveEnrolment } from "./enrolment-routes.ts";
import { serveFence } from "./fence-routes.ts";

interface Call<O extends Operation> {
  readonly params: ParamsOf<O>;
  readonly query: QueryOf<O>;
  readonly body: BodyOf<O>;
  /** Null only for an operation that is open to all. */
  readonly principal: Principal | null;
  /** Throws unless the principal may do this operation's action to the resource. */
  readonly may: (resource: Resource) => Principal;
  /** Writes the audit record of a change; durable before the change is made. */
  readonly audit: (
    kind: AuditEvent["kind"],
    tenant: string | null,
    subject: string,
    detail: string,
  ) => Promise<void>;
}

type Handler<O extends Operation> = (call: Call<O>) => Promise<ReplyOf<O>>;

/** Every operation of the contract, each behind its own action. */
export function serveManagement(app: FastifyInstance, parts: RouteParts): void {
  const serve = <O extends Operation>(operation: O, handler: Handler<O>) =>
    serveOperation(app, parts, operation, handler);
  const { registry, lines } = parts;
  const { store, clock } = registry;

  serve(operations.health, async () => ({ status: "ok" }));
  serve(operations.postureShow, async () => {
    const { lines: said, checks, ...rest } = parts.posture.look();
    const lines_ = said.map((line) => ({
      ...line,
      why: [...line.why],
      verifiedIn: [...line.verifiedIn],
    }));
    return { ...rest, lines: lines_, checks: [...checks] };
  });
  serve(operations.whoami, async ({ may, principal }) => {
    const { kind, id, tenant, actions } = may({ tenant: principal?.tenant ?? null });
    return { kind, id, tenant, actions: [...actions] };
  });
  serve(operations.tenantCreate, async ({ body, may, audit }) => {
    may({ tenant: null });
    await audit("tenant.created", null, body.name, "");
    return tenantView(await createTenant(store, clock, body.name));
  });
  serve(operations.tenantList, async ({ may }) => {
    may({ tenant: null });
    return { items: (await listTenants(store)).map(tenantView) };
  });
  serve(operations.keyCreate, async ({ params, body, may, audit }) => {
    const principal = may({ tenant: params.tenant });
    const tenant = await findTenant(store, params.tenant);
    const more =
      principal.kind === "operator"
        ? []
        : body.actions.filter((action) => !principal.actions.includes(action));
    if (more.length > 0)
      throw new ApiRefusal(
        "auth.forbidden",
        `cannot give ${more.join(", ")}: this key does not have it`,
      );
    await audit("key.created", tenant.id, body.name, body.actions.join(" "));
    const made = await createApiKey(store, clock, tenant.id, body);
    await lines.changed();
    return made;
  });
  serve(operations.keyList, async ({ params, may }) => {
    may({ tenant: params.tenant });
    return {
      items: (await listApiKeys(store, (await findTenant(store, params.tenant)).id)).map(keyView),
    };
  });
  serve(operations.keyRevoke, async ({ params, may, audit }) => {
    may({ tenant: params.tenant });
    await audit("key.revoked", params.tenant, params.key, "");
    const revoked = await revokeApiKey(
      store,
      clock,
      (await findTenant(store, params.tenant)).id,
      params.key,
    );
    await lines.changed();
    return keyView(revoked);
  });
  serve(operations.publisherCreate, async ({ body, may, audit }) => {
    may({ tenant: null });
    await audit("publisher.created", body.tenant, body.name, "");
    await createPublisher(store, clock, body.name, (await findTenant(store, body.tenant)).id);
    return body;
  });
  serveTrust(serve, parts);
  serveArtifacts(serve, parts);
  serveInstalls(serve, parts);
  serveRecords(serve, parts);
  serveFence(serve, parts);
  serveEnrolment(serve, parts);
}

export type Serve = <O extends Operation>(operation: O, handler: Handler<O>) => void;

function serveTrust(serve: Serve, { registry, lines }: RouteParts): void {
  serve(operations.trustList, async ({ may }) => {
    may({ tenant: null });
    return { version: registry.trust.root.version, items: registry.trust.views.map(anchorView) };
  });
  serve(operations.trustAdd, async ({ body, may, audit }) => {
    may({ tenant: null });
    await audit("anchor.added", null, digestOf("document", Buffer.from(body.pem)), "");
    return { items: (await registry.trust.add(body.pem)).map(anchorView) };
  });
  serve(operations.trustScope, async ({ params, body, may, audit }) => {
    may({ tenant: null });
    await audit("anchor.scoped", null, params.spki, body.publishers.join(" "));
    const view = await registry.trust.scope(params.spki, body);
    lines.trustChanged();
    return anchorView(view);
  });
}

function serveArtifacts(serve: Serve, { registry }: RouteParts): void {
  serve(operations.publish, async ({ body, may }) => {
    const principal = may({
      tenant: await publisherOwner(registry.store, body.extension.split(".")[0] ?? ""),
    });
    const { contentHash, verdict } = await publishArtifact(registry, body, nameOf(principal));
    const artifact = (await listArtifacts(registry.store, body.extension)).find(
      (row) => row.contentHash === contentHash,
    );
    if (artifact === undefined)
      throw new RegistryError("artifact.unknown", "cannot find what was published");
    return { artifact, verdict: verdictView(verdict) };
  });
  serve(operations.publishCheck, async ({ body, may }) => {
    may({ tenant: await publisherOwner(registry.store, body.extension.split(".")[0] ?? "") });
    return { verdict: verdictView(await checkPublish(registry, body)) };
  });
  serve(operations.artifactList, async ({ query, may }) => {
    may({ tenant: null });
    return { items: await listArtifacts(registry.store, query.extension) };
  });
}

function serveInstalls(serve: Serve, { registry, lines }: RouteParts): void {
  serve(operations.install, async ({ params, body, may }) => {
    const principal = may({ tenant: params.tenant });
    const tenant = await findTenant(registry.store, params.tenant);
    const { verdict } = await installExtension(registry, tenant.id, body, nameOf(principal));
    await lines.changed();
    return {
      install: await findInstall(registry, tenant.id, body.extension),
      verdict: verdictView(verdict),
    };
  });
  serve(operations.installList, async ({ params, may }) => {
    may({ tenant: params.tenant });
    return {
      items: await listInstalls(registry, (await findTenant(registry.store, params.tenant)).id),
    };
  });
  serve(operations.installShow, async ({ params, may }) => {
    may({ tenant: params.tenant });
    return findInstall(
      registry,
      (await findTenant(registry.store, params.tenant)).id,
      params.extension,
    );
  });
  serve(operations.uninstall, async ({ params, may, audit }) => {
    may({ tenant: params.tenant });
    await audit("install.removed", params.tenant, params.extension, "");
    await uninstallExtension(
      registry,
      (await findTenant(registry.store, params.tenant)).id,
      params.extension,
    );
    await lines.changed();
    return { removed: true };
  });
}

function serveRecords(serve: Serve, { registry }: RouteParts): void {
  serve(operations.verdictShow, async ({ params, principal, may }) => {
    const kept = await findVerdict(registry.store, params.id, registry.keys.verdict);
    mayReadVerdict(kept, principal, may);
    return verdictView(kept.verdict);
  });
  serve(operations.verdictEvidence, async ({ params, principal, may }) => {
    mayReadVerdict(
      await findVerdict(registry.store, params.id, registry.keys.verdict),
      principal,
      may,
    );
    return { evidence: evidenceText(await verdictEvidence(registry, params.id)) };
  });
  serve(operations.executionEvidence, async ({ params, may }) => {
    may({ tenant: params.tenant });
    const tenant = await findTenant(registry.store, params.tenant);
    const found = await findExecution(registry.store, tenant.id, params.request);
    if (found === null)
      throw new ApiRefusal("execution.unknown", "cannot find an execution under that request id");
    const { requestId, extension, version, contentHash, outcome, code, status, openedAt } =
      found.execution;
    const id = await verdictOfCall(registry, { install: found.install, contentHash, openedAt });
    if (id === null)
      throw new RegistryError(
        "verdict.unknown",
        "cannot find the verdict under which that call ran",
      );
    const stated = { requestId, extension, version, contentHash, outcome, code, status, openedAt };
    return { evidence: evidenceText(await verdictEvidence(registry, id, stated)) };
  });
  serve(operations.trustPins, async () => {
    const { trustRoot, verdict, state } = registry.keys;
    return {
      trustRootKey: trustRoot.publicKey.toPem(),
      verdictKey: verdict.publicKey.toPem(),
      stateKey: state.publicKey.toPem(),
      auditLog: registry.auditLogKey,
    };
  });
  serve(operations.executionShow, async ({ params, may }) => {
    may({ tenant: params.tenant });
    const tenant = await findTenant(registry.store, params.tenant);
    const found = await findExecution(registry.store, tenant.id, params.request);
    if (found === null)
      throw new ApiRefusal("execution.unknown", "cannot find an execution under that request id");
    const install = await findInstall(registry, tenant.id, found.execution.extension).catch(
      () => null,
    );
    const kept =
      install === null
        ? null
        : await findVerdict(registry.store, install.verdict, registry.keys.verdict);
    return {
      execution: found.execution,
      install: kept === null ? null : verdictView(kept.verdict),
      logs: found.logs,
    };
  });
  serve(operations.logList, async ({ params, query, may }) => {
    may({ tenant: params.tenant });
    const tenant = await findTenant(registry.store, params.tenant);
    return {
      items: await listLogLines(
        registry.store,
        tenant.id,
        query.extension,
        Number(query.limit ?? 100),
      ),
    };
  });
}

/** A verdict of no tenant is about a published artifact: any tenant's key may read it. Another tenant's is not there. */
function mayReadVerdict(
  kept: KeptVerdict,
  principal: Principal | null,
  may: Call<Operation>["may"],
): void {
  if (kept.tenant !== null && principal?.kind === "apiKey" && principal.tenant !== kept.tenant)
    throw new RegistryError("verdict.unknown", "cannot find that verdict");
  may({ tenant: kept.tenant ?? principal?.tenant ?? null });
}

function serveOperation<O extends Operation>(
  app: FastifyInstance,
  { registry, log }: RouteParts,
  operation: O,
  handler: Handler<O>,
): void {
  const hasBody = operation.method === "POST" || operation.method === "PUT";
  app.route({
    method: operation.method,
    url: operation.path,
    schema: {
      params: operation.params,
      querystring: operation.query,
      ...(hasBody ? { body: operation.body } : {}),
    },
    handler: async (request, reply) => {
      const principal =
        operation.action === null ? null : await authenticate(registry.store, request);
      const may = (resource: Resource): Principal => {
        if (principal === null)
          throw new ApiRefusal("auth.required", "cannot do this without a key");
        requireMay(principal, operation.action ?? "", resource);
        return principal;
      };
      const audit: Call<O>["audit"] = async (kind, tenant, subject, detail) => {
        const by = principal === null ? "nobody" : nameOf(principal);
        await registry.audit.record({ kind, by, tenant, subject, detail });
        log.info("change", { requestId: request.id, kind, by, tenant, subject, detail });
      };
      // Fastify has just checked all three against the operation's own schemas.
      const input = { params: request.params, query: request.query, body: request.body } as Pick<
        Call<O>,
        "params" | "query" | "body"
      >;
      return reply.send(await handler({ ...input, principal, may, audit }));
    },
  });
}

function tenantView(tenant: Tenant): { id: string; name: string; createdAt: string } {
  return { id: tenant.id, name: tenant.name, createdAt: tenant.createdAt.toISOString() };
}

function keyView(key: ApiKeyRecord): {
  id: string;
  name: string;
  actions: string[];
  createdAt: string;
  revokedAt: string | null;
} {
  return {
    id: key.id,
    name: key.name,
    actions: [...key.actions],
    createdAt: key.createdAt.toISOString(),
    revokedAt: key.revokedAt?.toISOString() ?? null,
  };
}

function anchorView(view: RouteParts["registry"]["trust"]["views"][number]) {
  const { scope } = view;
  return {
    ...view,
    scope:
      scope === null
        ? null
        : { publishers: [...scope.publishers], kinds: [...scope.kinds], doors: [...scope.doors] },
  };
}

function verdictView(verdict: Verdict) {
  const { door, outcome, subject, at, reasons } = verdict;
  return {
    id: verdictId(verdict),
    door,
    outcome,
    subject,
    at,
    reasons: reasons.map((reason) => ({ ...reason, children: [...reason.children] })),
  };
}
