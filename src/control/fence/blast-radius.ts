import type { Store, Tx } from "#store";
import type { FenceTarget } from "./fences.ts";

/** What an entry stops, or would stop, as control knows it; calls inside are counted by the edges. */
export interface BlastRadius {
  readonly tenants: number;
  readonly installs: number;
  /** Admitted versions that are stopped, installed or not. */
  readonly versions: number;
  /** The first of the installs. */
  readonly items: readonly {
    readonly tenant: string;
    readonly extension: string;
    readonly version: string;
  }[];
}

const SHOWN = 50;

export function blastRadius(store: Store, target: FenceTarget): Promise<BlastRadius> {
  return store.asSystem(async (tx) => {
    const installs = await hitInstalls(tx, target);
    return {
      tenants: new Set(installs.map((row) => row.tenant)).size,
      installs: new Set(installs.map((row) => row.id)).size,
      versions: await hitVersions(tx, target),
      items: installs
        .slice(0, SHOWN)
        .map(({ tenant, extension, version }) => ({ tenant, extension, version })),
    };
  });
}

function hitInstalls(tx: Tx, { scope, id }: FenceTarget) {
  const live = tx
    .selectFrom("install")
    .innerJoin("install_grant", (join) =>
      join
        .onRef("install_grant.tenant_id", "=", "install.tenant_id")
        .onRef("install_grant.install_id", "=", "install.id"),
    )
    .innerJoin("artifact", "artifact.content_hash", "install_grant.content_hash")
    .select([
      "install.tenant_id as tenant",
      "install.id",
      "install.extension_id as extension",
      "artifact.version",
    ])
    .where("install.state", "!=", "removed")
    .where("install_grant.state", "in", ["building", "ready"])
    .orderBy("install.tenant_id")
    .orderBy("install.extension_id");
  const hit = {
    all: () => live,
    tenant: () => live.where("install.tenant_id", "=", id),
    install: () => live.where("install.id", "=", id),
    extension: () => live.where("install.extension_id", "=", id),
    publisher: () => live.where("install.extension_id", "like", `${id}.%`),
    digest: () => live.where("install_grant.content_hash", "=", id),
    key: () => live.where("artifact.publisher_identity", "=", id),
  };
  return hit[scope]().execute();
}

async function hitVersions(tx: Tx, { scope, id }: FenceTarget): Promise<number> {
  if (scope === "tenant" || scope === "install") return 0;
  const admitted = tx
    .selectFrom("artifact")
    .select((eb) => eb.fn.countAll<string>().as("count"))
    .where("state", "in", ["admitted", "revoked"]);
  const hit = {
    all: () => admitted,
    extension: () => admitted.where("extension_id", "=", id),
    publisher: () => admitted.where("extension_id", "like", `${id}.%`),
    digest: () => admitted.where("content_hash", "=", id),
    key: () => admitted.where("publisher_identity", "=", id),
  };
  const { count } = await hit[scope]().executeTakeFirstOrThrow();
  return Number(count);
}
