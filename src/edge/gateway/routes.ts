import type { Served } from "#link";
import type { Place, Slots } from "./slots.ts";
import type {
  Endpoint,
  ExecutionContext,
  Fence,
  FenceEntry,
  SnapshotInstall,
  SnapshotKey,
} from "#contract";

/** A snapshot made ready for one look-up per step of a request. */
export interface RoutingTable {
  readonly epoch: number;
  keyByHash(hashHex: string): SnapshotKey | undefined;
  install(tenant: string, extension: string): RoutedInstall | undefined;
}

export interface RoutedInstall extends SnapshotInstall {
  /** What stops it; null: nothing. */
  readonly fence: FenceEntry | null;
  readonly place: Place;
  readonly handleBytes: Uint8Array;
  readonly routes: readonly Route[];
}

interface Route {
  readonly endpoint: Endpoint;
  readonly segments: readonly string[];
  /** What the records of a key's calls have in common; one object for all of them, so that a batch holds it once. */
  readonly contextOf: (key: SnapshotKey) => ExecutionContext;
}

export function routingTable({ snapshot, fence }: Served, slots: Slots): RoutingTable {
  const keys = new Map(snapshot.keys.map((key) => [key.hash, key]));
  const places = slots.placesOf(snapshot.installs);
  const tenants = new Map<string, Map<string, RoutedInstall>>();
  for (const [i, install] of snapshot.installs.entries()) {
    const place = places[i];
    if (place === undefined) continue; // there is one for each
    const own = tenants.get(install.tenant) ?? new Map<string, RoutedInstall>();
    tenants.set(install.tenant, own.set(install.extension, routed(install, fence, place)));
  }
  return {
    epoch: snapshot.epoch,
    keyByHash: (hash) => keys.get(hash),
    install: (tenant, extension) => tenants.get(tenant)?.get(extension),
  };
}

function routed(install: SnapshotInstall, fence: Fence, place: Place): RoutedInstall {
  const routes = install.endpoints.map((endpoint) => ({
    endpoint,
    segments: endpoint.path === "/" ? [] : endpoint.path.slice(1).split("/"),
    contextOf: contextsOf(install, endpoint),
  }));
  return {
    ...install,
    fence: fence.hit({ ...install, install: install.id }),
    place,
    handleBytes: Buffer.from(install.handle, "hex"),
    routes,
  };
}

function contextsOf(
  { tenant, id, contentHash, extension, version }: SnapshotInstall,
  { method, path }: Endpoint,
): (key: SnapshotKey) => ExecutionContext {
  const contexts = new Map<SnapshotKey, ExecutionContext>();
  return (key) => {
    const known = contexts.get(key);
    if (known !== undefined) return known;
    const context = {
      tenant,
      install: id,
      contentHash,
      extension,
      version,
      principalId: key.id,
      method,
      endpoint: path,
    };
    contexts.set(key, context);
    return context;
  };
}

export interface RouteMatch {
  readonly contextOf: (key: SnapshotKey) => ExecutionContext;
  readonly params: readonly (readonly [string, string])[];
}

/** Exact method, equal segments; a plain segment goes before a `:parameter` because the manifest's order decides. */
export function matchEndpoint(
  install: RoutedInstall,
  method: string,
  segments: readonly string[],
): RouteMatch | null {
  for (const route of install.routes) {
    if (route.endpoint.method !== method || route.segments.length !== segments.length) continue;
    const params = matchSegments(route.segments, segments);
    if (params !== null) return { contextOf: route.contextOf, params };
  }
  return null;
}

const NO_PARAMS: readonly (readonly [string, string])[] = [];

function matchSegments(
  wanted: readonly string[],
  given: readonly string[],
): readonly (readonly [string, string])[] | null {
  let params: [string, string][] | null = null;
  for (let i = 0; i < wanted.length; i++) {
    const pattern = wanted[i] ?? "";
    const segment = given[i] ?? "";
    if (pattern.startsWith(":")) (params ??= []).push([pattern.slice(1), segment]);
    else if (pattern !== segment) return null;
  }
  return params ?? NO_PARAMS;
}
