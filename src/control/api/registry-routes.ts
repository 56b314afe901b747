import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { canonicalJson, parseDigest } from "#trust";
import type { FileDigest } from "#trust";
import { EMPTY_MEDIA_TYPE, INDEX_MEDIA_TYPE, limits, parseRepository } from "#contract";
import {
  addBlob,
  findManifest,
  hasBlob,
  isAdmittedBlob,
  listReferrers,
  listTags,
  putManifest,
  readManifest,
  RegistryError,
} from "#registry";
import type { Principal } from "#policy";
import { authorize } from "#policy";
import { publisherOwner } from "#tenants";
import { ApiRefusal, problemOf } from "./api-error.ts";
import { authenticate, requireMay } from "./authenticate.ts";
import type { RouteParts } from "./control-parts.ts";

interface RepositoryParams {
  readonly publisher: string;
  readonly name: string;
  readonly reference: string;
  readonly upload: string;
}
type RepositoryRequest = FastifyRequest<{
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

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const CODES: Readonly<Record<string, string>> = {
  "auth.required": "UNAUTHORIZED",
  "auth.forbidden": "DENIED",
  "auth.tenant": "DENIED",
  "blob.unknown": "BLOB_UNKNOWN",
  "upload.unknown": "BLOB_UPLOAD_UNKNOWN",
  "upload.range": "BLOB_UPLOAD_INVALID",
  "digest.mismatch": "DIGEST_INVALID",
  "digest.malformed": "DIGEST_INVALID",
  "manifest.invalid": "MANIFEST_INVALID",
  "artifact.unknown": "MANIFEST_UNKNOWN",
  "request.too_large": "SIZE_INVALID",
};

/** OCI Distribution 1.1 under /v2/: push (monolithic and chunked), pull, tags, referrers, ranges. */
export function serveRegistry(app: FastifyInstance, parts: RouteParts): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // Blob bodies are streamed by their handlers; manifests are small and bounded there.
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.setErrorHandler((error, request, reply) => sendOciError(error, request, reply));
    scope.get("/v2/", async (request) => {
      await authenticate(parts.registry.store, request);
      return {};
    });
    const at = (path: string) => `/v2/:publisher/:name${path}`;
    scope.get<{ Params: RepositoryParams }>(at("/tags/list"), (request, reply) =>
      tags(parts, request as RepositoryRequest, reply),
    );
    scope.get<{ Params: RepositoryParams }>(at("/referrers/:reference"), (request, reply) =>
      referrers(parts, request as RepositoryRequest, reply),
    );
    scope.get<{ Params: RepositoryParams }>(
      at("/manifests/:reference"),
      { exposeHeadRoute: true },
      (request, reply) => getManifest(parts, request as RepositoryRequest, reply),
    );
    scope.put<{ Params: RepositoryParams }>(at("/manifests/:reference"), (request, reply) =>
      pushManifest(parts, request as RepositoryRequest, reply),
    );
    scope.get<{ Params: RepositoryParams }>(
      at("/blobs/:reference"),
      { exposeHeadRoute: true },
      (request, reply) => getBlob(parts, request as RepositoryRequest, reply),
    );
    scope.post<{ Params: RepositoryParams }>(at("/blobs/uploads/"), (request, reply) =>
      beginUpload(parts, request as RepositoryRequest, reply),
    );
    scope.get<{ Params: RepositoryParams }>(at("/blobs/uploads/:upload"), (request, reply) =>
      uploadStatus(parts, request as RepositoryRequest, reply),
    );
    scope.patch<{ Params: RepositoryParams }>(at("/blobs/uploads/:upload"), (request, reply) =>
      appendUpload(parts, request as RepositoryRequest, reply),
    );
    scope.put<{ Params: RepositoryParams }>(at("/blobs/uploads/:upload"), (request, reply) =>
      finishUpload(parts, request as RepositoryRequest, reply),
    );
    scope.delete<{ Params: RepositoryParams }>(at("/blobs/uploads/:upload"), (request, reply) =>
      cancelUpload(parts, request as RepositoryRequest, reply),
    );
  });
}

function sendOciError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, body } = problemOf(error, request.id);
  const code =
    error instanceof Error && "code" in error
      ? (CODES[String(error.code)] ?? "UNSUPPORTED")
      : "UNSUPPORTED";
  if (status === 401) reply.header("www-authenticate", 'Basic realm="caisson"');
  return reply.status(status).send({
    errors: [
      { code, message: body.detail, detail: { code: body.code, requestId: body.requestId } },
    ],
  });
}

/** The repository, for a principal that may push there. Everybody else is refused, whether it exists or not. */
async function pushable(parts: RouteParts, request: RepositoryRequest): Promise<string> {
  const { principal, repository, owner } = await situation(parts, request);
  requireMay(principal, "artifact:push", { tenant: owner });
  return repository;
}

/** Where pending artifacts are readable too. */
interface Reader {
  readonly repository: string;
  readonly seesPending: boolean;
}

async function readable(parts: RouteParts, request: RepositoryRequest): Promise<Reader> {
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
async function isVisible(
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

async function getManifest(
  parts: RouteParts,
  request: RepositoryRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const reader = await readable(parts, request);
  const manifest = await findManifest(
    parts.registry.store,
    reader.repository,
    request.params.reference,
  );
  if (manifest === null || !(await isVisible(parts, reader, manifest.digest, manifest.subject)))
    throw new RegistryError("artifact.unknown", "cannot find that manifest");
  return reply
    .header("content-type", manifest.mediaType)
    .header("docker-content-digest", manifest.digest)
    .send(Buffer.from(manifest.bytes));
}

async function pushManifest(
  parts: RouteParts,
  request: RepositoryRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const repository = await pushable(parts, request);
  const { reference } = request.params;
  const manifest = readManifest(
    await readBody(request, limits.manifestBytes.value),
    (request.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "",
  );
  const byDigest = reference.includes(":");
  if (byDigest && reference !== manifest.digest)
    throw new RegistryError(
      "digest.mismatch",
      `cannot store the manifest as ${reference}: its bytes have ${manifest.digest}`,
    );
  if (!byDigest && !TAG.test(reference))
    throw new RegistryError("manifest.invalid", "cannot tag the manifest: malformed tag");
  await putManifest(
    parts.registry.store,
    parts.registry.clock,
    repository,
    manifest,
    byDigest ? null : reference,
  );
  if (manifest.subject !== null) reply.header("oci-subject", manifest.subject);
  return reply
    .status(201)
    .header("location", `/v2/${repository}/manifests/${manifest.digest}`)
    .header("docker-content-digest", manifest.digest)
    .send();
}

async function readBody(request: FastifyRequest, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.raw) {
    const bytes = chunk as Uint8Array; // the stream has no encoding
    size += bytes.length;
    if (size > maxBytes)
      throw new RegistryError("request.too_large", `cannot take a body over ${maxBytes} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

async function tags(
  parts: RouteParts,
  request: RepositoryRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const reader = await readable(parts, request);
  const all = await listTags(parts.registry.store, reader.repository);
  const shown: string[] = [];
  for (const tag of all) {
    const manifest = await findManifest(parts.registry.store, reader.repository, tag);
    if (manifest !== null && (await isVisible(parts, reader, manifest.digest, null)))
      shown.push(tag);
  }
  if (shown.length === 0)
    throw new RegistryError("artifact.unknown", "cannot find that repository");
  const after = shown.filter((tag) => tag > (request.query.last ?? ""));
  const count = /^\d{1,6}$/.test(request.query.n ?? "") ? Number(request.query.n) : after.length;
  const page = after.slice(0, count);
  if (page.length < after.length && page.length > 0)
    reply.header(
      "link",
      `</v2/${reader.repository}/tags/list?n=${count}&last=${page.at(-1)}>; rel="next"`,
    );
  return reply.send({ name: reader.repository, tags: page });
}

async function referrers(
  parts: RouteParts,
  request: RepositoryRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const reader = await readable(parts, request);
  const subject = parseDigest("manifest", request.params.reference);
  const visible = await isVisible(parts, reader, subject, null);
  const found = visible
    ? await listReferrers(parts.registry.store, reader.repository, subject)
    : [];
  const { artifactType } = request.query;
  const wanted = found.filter(
    (manifest) => artifactType === undefined || manifest.artifactType === artifactType,
  );
  if (artifactType !== undefined) reply.header("oci-filters-applied", "artifactType");
  const manifests = wanted.map((manifest) => ({
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.bytes.length,
    artifactType: manifest.artifactType ?? EMPTY_MEDIA_TYPE,
    annotations: { ...manifest.annotations },
  }));
  return reply
    .header("content-type", INDEX_MEDIA_TYPE)
    .send(Buffer.from(canonicalJson({ schemaVersion: 2, mediaType: INDEX_MEDIA_TYPE, manifests })));
}

async function getBlob(
  parts: RouteParts,
  request: RepositoryRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const reader = await readable(parts, request);
  const digest = parseDigest("file", request.params.reference);
  const shown =
    reader.seesPending || (await isAdmittedBlob(parts.registry.store, reader.repository, digest));
  const size =
    shown && (await hasBlob(parts.registry.store, reader.repository, digest))
      ? await parts.registry.blobs.size(digest)
      : null;
  if (size === null) throw new RegistryError("blob.unknown", "cannot find that blob");
  reply
    .header("content-type", "application/octet-stream")
    .header("docker-content-digest", digest)
    .header("accept-ranges", "bytes");
  const range = rangeOf(request.headers.range, size);
  if (range === "invalid")
    return reply.status(416).header("content-range", `bytes */${size}`).send();
  if (range !== null)
    reply.status(206).header("content-range", `bytes ${range.start}-${range.end}/${size}`);
  reply.header("content-length", range === null ? size : range.end - range.start + 1);
  return request.method === "HEAD"
    ? reply.send()
    : reply.send(parts.registry.blobs.stream(digest, range ?? undefined));
}

function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | null | "invalid" {
  const match = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header ?? "");
  if (match === null) return null;
  const start = Number(match[1]);
  const end = match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start <= end && start < size ? { start, end } : "invalid";
}

async function beginUpload(
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

async function uploadStatus(
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

async function appendUpload(
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

async function finishUpload(
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

async function cancelUpload(
  parts: RouteParts,
  request: RepositoryRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  await pushable(parts, request);
  await parts.registry.blobs.uploadSize(request.params.upload);
  await parts.registry.blobs.cancel(request.params.upload);
  return reply.status(204).send();
}
