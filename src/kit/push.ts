import { MANIFEST_MEDIA_TYPE } from "#contract";
import type { ApiAddress } from "#http-api";
import { KitError } from "./kit-error.ts";
import type { Packed } from "./pack.ts";
import type { SignedArtifact } from "./sign.ts";

/**
 * Pushes blobs, manifest and, of what is signed, the bundle's referrer (OCI Distribution 1.1, pushing).
 * by "version": under the tag of its version; by "digest": without a tag.
 */
export async function pushArtifact(
  address: ApiAddress,
  artifact: Packed | SignedArtifact,
  by: "version" | "digest" = "version",
): Promise<void> {
  const { publisher, name, version } = artifact.config;
  const repository = `/v2/${publisher}/${name}`;
  for (const [digest, bytes] of artifact.blobs) await pushBlob(address, repository, digest, bytes);
  await put(
    address,
    `${repository}/manifests/${by === "version" ? version : artifact.digest}`,
    artifact.manifest,
    MANIFEST_MEDIA_TYPE,
  );
  if (!("referrer" in artifact)) return;
  await put(
    address,
    `${repository}/manifests/${artifact.referrerDigest}`,
    artifact.referrer,
    MANIFEST_MEDIA_TYPE,
  );
}

async function pushBlob(
  address: ApiAddress,
  repository: string,
  digest: string,
  bytes: Uint8Array,
): Promise<void> {
  const present = await send(address, `${repository}/blobs/${digest}`, { method: "HEAD" });
  if (present.status === 200) return;
  await expectOk(
    await send(address, `${repository}/blobs/uploads/?digest=${digest}`, {
      method: "POST",
      body: bytes,
      headers: { "content-type": "application/octet-stream" },
    }),
    `blob ${digest}`,
  );
}

async function put(
  address: ApiAddress,
  path: string,
  body: Uint8Array,
  type: string,
): Promise<void> {
  await expectOk(
    await send(address, path, { method: "PUT", body, headers: { "content-type": type } }),
    path,
  );
}

async function send(
  address: ApiAddress,
  path: string,
  init: { method: string; body?: Uint8Array; headers?: Record<string, string> },
): Promise<Response> {
  try {
    return await fetch(new URL(path, address.url), {
      ...init,
      redirect: "error",
      headers: { ...init.headers, authorization: `Bearer ${address.key}` },
    });
  } catch (cause) {
    throw new KitError("push.refused", `cannot reach the registry at ${address.url}`, { cause });
  }
}

async function expectOk(response: Response, what: string): Promise<void> {
  const text = await response.text();
  if (response.status === 201) return;
  const body = parseErrors(text);
  throw new KitError(
    "push.refused",
    `cannot push ${what}: the registry answered ${response.status} ${body}`,
  );
}

function parseErrors(text: string): string {
  try {
    const { errors = [] } = JSON.parse(text) as { errors?: { message?: string }[] };
    return errors.map((error) => error.message ?? "").join("; ");
  } catch {
    return text.slice(0, 200);
  }
}
