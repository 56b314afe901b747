import { operations } from "#http-api";
import { parseId } from "#platform";
import { enrolEdge, findEdge, listEdges, removeEdge, TenantError } from "#tenants";
import type { EdgeRecord } from "#tenants";
import { ApiRefusal } from "./api-error.ts";
import { nameOf } from "./authenticate.ts";
import type { RouteParts } from "./control-parts.ts";
import { mintExecuteToken } from "./execute-tokens.ts";
import type { Serve } from "./management-routes.ts";

/** Edges of other machines, and an operator's own calls to runners there. */
export function serveEnrolment(serve: Serve, parts: RouteParts): void {
  const { registry, fenceLines, lines, streams } = parts;
  const { store, clock, fences, keys } = registry;

  serve(operations.edgeEnrol, async ({ body, may, audit }) => {
    may({ tenant: null });
    const { kind, name, url = null } = body;
    if (url !== null && (kind !== "runner" || new URL(url).origin !== url))
      throw new ApiRefusal("request.malformed", "only a runner has an address: https://host:port");
    await audit("edge.enrolled", null, name, kind);
    const { token, ...edge } = await enrolEdge(store, clock, { kind, name, url });
    return {
      edge: edgeView(edge),
      token,
      stateKey: keys.state.publicKey.toPem(),
      trustRootKey: keys.trustRoot.publicKey.toPem(),
    };
  });
  serve(operations.edgeList, async ({ may }) => {
    may({ tenant: null });
    const standing = await fenceLines.standing(fences.current.epoch);
    const items = (await listEdges(store)).map((edge) => {
      const report = standing.find((one) => one.edge === edge.id);
      return {
        edge: edgeView(edge),
        connected: report?.connected ?? false,
        acknowledged: report?.acknowledged ?? false,
      };
    });
    return { items };
  });
  serve(operations.edgeRemove, async ({ params, may, audit }) => {
    const principal = may({ tenant: null });
    const edge = await findEdge(store, params.edge);
    const id = parseId("edge", edge.id);
    if (id === null || edge.name === null)
      throw new TenantError("edge.unknown", "cannot remove an edge of control's own machine");
    await audit("edge.removed", null, edge.name, edge.id);
    // The fence first: whatever fails after it, what the edge holds is worth nothing, and the verb can be said again.
    await fences.set({
      scope: "edge",
      id,
      reason: `${edge.kind} ${edge.name} was removed`,
      reversible: false,
      by: nameOf(principal),
      tenant: null,
    });
    await removeEdge(store, clock, id);
    streams.drop(id);
    fenceLines.announce();
    const edges = await fenceLines.settled(fences.current.epoch);
    await lines.changed();
    streams.drop(id); // a line that was let in before the token went, and came after
    const missing = edges.filter((report) => !report.acknowledged);
    return {
      edge: edgeView(edge),
      edges,
      missing: missing.map((report) => `${report.kind} ${report.edge}`),
    };
  });
  serve(operations.executeToken, async ({ body, may, audit }) => {
    const principal = may({ tenant: null });
    const runner = await findEdge(store, body.runner);
    if (runner.kind !== "runner")
      throw new TenantError("edge.unknown", "cannot find a runner by that name or id");
    await audit("execute-token.issued", null, runner.id, body.body);
    const { boot, body: digest } = body;
    return mintExecuteToken(registry, {
      subject: nameOf(principal),
      runner: runner.id,
      boot,
      body: digest,
    });
  });
}

function edgeView({ id, kind, name, url, createdAt }: EdgeRecord) {
  return { id, kind, name, url, createdAt: createdAt.toISOString() };
}
