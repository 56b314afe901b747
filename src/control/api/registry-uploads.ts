import type { FastifyReply } from "fastify";
import { parseDigest } from "#trust";
import type { FileDigest } from "#trust";
import { parseRepository } from "#contract";
import { addBlob, hasBlob, RegistryError } from "#registry";
import { authorize } from "#policy";
import { publisherOwner } from "#tenants";
import { authenticate } from "./authenticate.ts";
import type { RouteParts } from "./control-parts.ts";

import { pushable } from "./repository-access.ts";
import type { RepositoryRequest } from "./repository-access.ts";
export async function beginUpload(
  parts: RouteParts,
  request: RepositoryRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const repository = await pushable(parts, request);
  const { mount, from, digest } = request.query;
  if (
    mount !== undefined &&
    from !== undefined &&
    (await mountBlob(parts, request, repository, mount, from))
  )
    return created(reply, repository, parseDigest("file", mount));
  const upload = await parts.registry.blobs.beginUpload();
  if (digest === undefined) return uploadReply(reply.status(202), repository, upload, 0);
  await parts.registry.blobs.append(upload, request.raw);
  return storeUpload(parts, reply, repository, upload, digest);
}

/** A blob is mounted only from a repository that the same principal may push to. */
async function mountBlob(
  parts: RouteParts,
  request: RepositoryRequest,
  repository: string,
  mount: string,
  from: string,
): Promise<boolean> {
  const source = parseRepository(from);
  if (source === null) return false;
  const principal = await authenticate(parts.registry.store, request);
  if (
    !authorize(principal, "artifact:push", {
      tenant: await publisherOwner(parts.registry.store, source.publisher),
    })
  )
    return false;
  const digest = parseDigest("file", mount);
  const size = (await hasBlob(parts.registry.store, from, digest))
    ? await parts.registry.blobs.size(digest)
    : null;
  if (size === null) return false;
  await addBlob(parts.registry.store, parts.registry.clock, repository, digest, size);
  return true;
}

function uploadReply(
  reply: FastifyReply,
  repository: string,
  upload: string,
  size: number,
): FastifyReply {
  return reply
    .header("location", `/v2/${repository}/blobs/uploads/${upload}`)
    .header("range", `0-${Math.max(size - 1, 0)}`)
    .header("docker-upload-uuid", upload)
    .send();
}

export async function uploadStatus(
  parts: RouteParts,
  request: RepositoryRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const repository = await pushable(parts, request);
  return uploadReply(
    reply.status(204),
    repository,
    request.params.upload,
    await parts.registry.blobs.uploadSize(request.params.upload),
  );
}

export async function appendUpload(
  parts: RouteParts,
  request: RepositoryRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const repository = await pushable(parts, request);
  const { upload } = request.params;
  const start = /^(\d{1,15})-\d{1,15}$/.exec(request.headers["content-range"] ?? "");
  if (start !== null && Number(start[1]) !== (await parts.registry.blobs.uploadSize(upload)))
    throw new RegistryError(
      "upload.range",
      "cannot take the chunk: it does not follow the last one",
    );
  return uploadReply(
    reply.status(202),
    repository,
    upload,
    await parts.registry.blobs.append(upload, request.raw),
  );
}

export async function finishUpload(
  parts: RouteParts,
  request: RepositoryRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const repository = await pushable(parts, request);
  await parts.registry.blobs.append(request.params.upload, request.raw);
  return storeUpload(parts, reply, repository, request.params.upload, request.query.digest ?? "");
}

async function storeUpload(
  parts: RouteParts,
  reply: FastifyReply,
  repository: string,
  upload: string,
  wanted: string,
): Promise<FastifyReply> {
  const size = await parts.registry.blobs.uploadSize(upload);
  const digest = await parts.registry.blobs.finish(upload, wanted);
  await addBlob(parts.registry.store, parts.registry.clock, repository, digest, size);
  return created(reply, repository, digest);
}

function created(reply: FastifyReply, repository: string, digest: FileDigest): FastifyReply {
  return reply
    .status(201)
    .header("location", `/v2/${repository}/blobs/${digest}`)
    .header("docker-content-digest", digest)
    .send();
}

export async function cancelUpload(
  parts: RouteParts,
  request: RepositoryRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  await pushable(parts, request);
  await parts.registry.blobs.uploadSize(request.params.upload);
  await parts.registry.blobs.cancel(request.params.upload);
  return reply.status(204).send();
}
