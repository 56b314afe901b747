import type { FastifyRequest } from "fastify";
import { parseRepository } from "#contract";
import { RegistryError } from "#registry";
import type { Principal } from "#policy";
import { authorize } from "#policy";
import { publisherOwner } from "#tenants";
import { ApiRefusal } from "./api-error.ts";
import { authenticate, requireMay } from "./authenticate.ts";
import type { RouteParts } from "./control-parts.ts";

export interface RepositoryParams {
  readonly publisher: string;
  readonly name: string;
  readonly reference: string;
  readonly upload: string;
}
export type RepositoryRequest = FastifyRequest<{
  Params: RepositoryParams;
  Querystring: {
    digest?: string;
    mount?: string;
    from?: string;
    artifactType?: string;
    n?: string;
    last?: string;
  };
}>;

/** The repository, for a principal that may push there. Everybody else is refused, whether it exists or not. */
export async function pushable(parts: RouteParts, request: RepositoryRequest): Promise<string> {
  const { principal, repository, owner } = await situation(parts, request);
  requireMay(principal, "artifact:push", { tenant: owner });
  return repository;
}

/** Where pending artifacts are readable too. */
export interface Reader {
  readonly repository: string;
  readonly seesPending: boolean;
}

export async function readable(parts: RouteParts, request: RepositoryRequest): Promise<Reader> {
  const { principal, repository, owner } = await situation(parts, request);
  const seesPending = authorize(principal, "artifact:push", { tenant: owner });
  if (!seesPending && !authorize(principal, "artifact:read", { tenant: owner }))
    throw new ApiRefusal("auth.forbidden", "cannot read this repository with this key");
  return { repository, seesPending: seesPending || principal.kind === "edge" };
}

async function situation(
  parts: RouteParts,
  request: RepositoryRequest,
): Promise<{ principal: Principal; repository: string; owner: string | null }> {
  const principal = await authenticate(parts.registry.store, request);
  const { publisher, name } = request.params;
  const repository = `${publisher}/${name}`;
  if (parseRepository(repository) === null)
    throw new RegistryError("artifact.unknown", "cannot find that repository");
  return { principal, repository, owner: await publisherOwner(parts.registry.store, publisher) };
}

/** Admitted versions and what refers to them are seen by all; pending ones by those who may push there. */
export async function isVisible(
  parts: RouteParts,
  reader: Reader,
  digest: string,
  subject: string | null,
): Promise<boolean> {
  if (reader.seesPending) return true;
  const row = await parts.registry.store.asSystem((tx) =>
    tx
      .selectFrom("artifact")
      .select("content_hash")
      .where("content_hash", "in", [digest, subject ?? digest])
      .where("state", "=", "admitted")
      .executeTakeFirst(),
  );
  return row !== undefined;
}
