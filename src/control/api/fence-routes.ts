import { FENCE_ALL } from "#contract";
import { operations } from "#http-api";
import type { FenceScope } from "#contract";
import { blastRadius, FenceError } from "#fence";
import type { Principal } from "#policy";
import { installTenant, publisherOf, RegistryError } from "#registry";
import { findTenant, publisherOwner } from "#tenants";
import { nameOf } from "./authenticate.ts";
import type { RouteParts } from "./control-parts.ts";
import type { EdgeReport } from "./fence-lines.ts";
import type { Serve } from "./management-routes.ts";

const PATTERNS: Readonly<Record<FenceScope, RegExp>> = {
  all: /^\*$/,
  tenant: /^[0-9a-f-]{36}$/,
  install: /^[0-9a-f-]{36}$/,
  extension: /^[a-z0-9][a-z0-9-]{0,38}\.[a-z0-9][a-z0-9-]{0,38}$/,
  publisher: /^[a-z0-9][a-z0-9-]{0,38}$/,
  digest: /^sha256:[a-f0-9]{64}$/,
  key: /^sha256:[a-f0-9]{64}$/,
};
/** What is taken back for good, and what is only halted. */
const REVOKED: readonly FenceScope[] = ["digest", "publisher", "key"];

/** revoke, halt, resume: the fence's verbs. */
export function serveFence(serve: Serve, parts: RouteParts): void {
  const { registry, fenceLines, lines } = parts;
  const { fences, store } = registry;

  serve(operations.fenceSet, async ({ body, principal: caller, may, audit }) => {
    const target = targetOf(body);
    const owner = await ownerOf(parts, target, caller);
    const principal = may({ tenant: owner });
    const radius = await blastRadius(store, target);
    const stops = { ...radius, items: [...radius.items] };
    if (body.dryRun === true) return { entry: null, stops, edges: [], missing: [] };
    await audit("fence.set", owner, `${target.scope} ${target.id}`, body.reason);
    const entry = await fences.set({
      ...target,
      reason: body.reason,
      reversible: !REVOKED.includes(target.scope),
      by: nameOf(principal),
      tenant: principal.tenant,
    });
    return { entry: { ...entry }, stops, ...(await announced()) };
  });
  serve(operations.fenceLift, async ({ body, principal: caller, may, audit }) => {
    const target = targetOf(body);
    const owner = await ownerOf(parts, target, caller);
    const principal = may({ tenant: owner });
    await audit("fence.lifted", owner, `${target.scope} ${target.id}`, "");
    const entry = await fences.lift(target, nameOf(principal), principal.tenant);
    return { entry: { ...entry }, ...(await announced()) };
  });
  serve(operations.fenceList, async ({ may }) => {
    may({ tenant: null });
    const { epoch, entries } = fences.current;
    return { epoch, items: entries.map((entry) => ({ ...entry })) };
  });

  /** Ahead of everything: the snapshot that knows of the change follows when the edges have answered. */
  async function announced(): Promise<{ edges: EdgeReport[]; missing: string[] }> {
    fenceLines.announce();
    const edges = await fenceLines.settled(fences.current.epoch);
    await lines.changed();
    const missing = edges.filter((report) => !report.acknowledged);
    return { edges, missing: missing.map(({ kind, edge }) => `${kind} ${edge}`) };
  }
}

/** body: attacker-controlled; its scope is one of the schema's. Throws FenceError "fence.target". */
function targetOf(body: { readonly scope: FenceScope; readonly id?: string }): {
  scope: FenceScope;
  id: string;
} {
  const { scope } = body;
  const id = scope === "all" ? (body.id ?? FENCE_ALL) : (body.id ?? "");
  if (!PATTERNS[scope].test(id))
    throw new FenceError("fence.target", `cannot stop that ${scope}: its id is malformed`);
  return { scope, id };
}

/** Whose own affair it is; null: the operator's alone. A tenant or an install that is not there would stop nothing. */
async function ownerOf(
  { registry: { store } }: RouteParts,
  { scope, id }: { scope: FenceScope; id: string },
  caller: Principal | null,
): Promise<string | null> {
  if (scope === "tenant") return (await findTenant(store, id)).id;
  if (scope === "digest") return publisherOwner(store, (await publisherOf(store, id)) ?? "");
  if (scope !== "install") return null;
  const tenant = await installTenant(store, id);
  // Not yours and not there are the same answer.
  if (tenant === null || (caller?.kind === "apiKey" && caller.tenant !== tenant))
    throw new RegistryError("install.unknown", "cannot find that install");
  return tenant;
}
