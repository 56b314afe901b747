/** Who asks. tenant: null for the operator and for edges. */
export interface Principal {
  readonly kind: "operator" | "apiKey" | "edge";
  readonly id: string;
  readonly tenant: string | null;
  readonly actions: readonly string[];
  readonly via: "key" | "edge-token";
}

/** What the action is done to: owner null means that no tenant owns it. */
export interface Resource {
  readonly tenant: string | null;
}

/** Actions that a tenant's key may be given; each is bound to resources of that tenant. */
export const tenantActions = [
  "self:read",
  "key:manage",
  "artifact:push",
  "artifact:read",
  "install:manage",
  "install:read",
  "verdict:read",
  "execution:read",
  "ext:call",
  "fence:manage",
] as const;

/** What a key may be given; that it may ask who it is needs no giving. */
export const keyActions = tenantActions.filter((action) => action !== "self:read");

/** Actions of the operator alone. */
export const operatorActions = [
  "tenant:manage",
  "publisher:manage",
  "trust:manage",
  "edge:manage",
  "execute:token",
] as const;

/** Actions of an enrolled edge alone. */
const edgeActions = ["edge:link", "artifact:read"] as const;
/** Actions of one kind of edge alone. */
const kindActions: Readonly<Record<string, readonly string[]>> = {
  broker: ["kv:use"],
  runner: ["instance:try"],
  gateway: ["execute:credential"],
};

/** Reading these names no tenant: a key of any tenant that has the action may. */
const GLOBAL_READS: readonly string[] = ["artifact:read", "self:read"];

/** True only for what a row above names; everything else is refused. */
export function authorize(principal: Principal, action: string, resource: Resource): boolean {
  if (principal.kind === "operator")
    return [...tenantActions, ...operatorActions].some((known) => known === action);
  if (principal.kind === "edge")
    return (
      edgeActions.some((known) => known === action) ||
      principal.actions.some((kind) => kindActions[kind]?.includes(action) === true)
    );
  if (!tenantActions.some((known) => known === action)) return false;
  if (action !== "self:read" && !principal.actions.includes(action)) return false;
  return (
    GLOBAL_READS.includes(action) ||
    (principal.tenant !== null && principal.tenant === resource.tenant)
  );
}
