import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { canonicalJson, parseDigest } from "#trust";
import { EMPTY_MEDIA_TYPE, INDEX_MEDIA_TYPE, limits } from "#contract";
import {
  findManifest,
  hasBlob,
  isAdmittedBlob,
  listReferrers,
  listTags,
  putManifest,
  readManifest,
  RegistryError,
} from "#registry";
import { problemOf } from "./api-error.ts";
import { authenticate } from "./authenticate.ts";
import type { RouteParts } from "./control-parts.ts";

import { isVisible, pushable, readable } from "./repository-access.ts";
import type { RepositoryParams, RepositoryRequest } from "./repository-access.ts";
import {
  appendUpload,
  beginUpload,
  cancelUpload,
  finishUpload,
  uploadStatus,
} from "./registry-uploads.ts";
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
