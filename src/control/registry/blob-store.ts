import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import type { ReadStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { digestHex, parseDigest } from "#trust";
import type { FileDigest } from "#trust";
import { limits } from "#contract";
import { RegistryError } from "./registry-error.ts";

/** Bytes by digest: `<root>/blobs/sha256/<hash>`, so that root is an OCI image layout (image-spec 1.1, image-layout). */
export class BlobStore {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  static async open(root: string): Promise<BlobStore> {
    await mkdir(join(root, "blobs/sha256"), { recursive: true, mode: 0o700 });
    await mkdir(join(root, "uploads"), { recursive: true, mode: 0o700 });
    await writeFile(join(root, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}', { mode: 0o600 });
    return new BlobStore(root);
  }

  #path(digest: FileDigest): string {
    return join(this.#root, "blobs/sha256", digestHex(digest));
  }

  async size(digest: FileDigest): Promise<number | null> {
    const found = await stat(this.#path(digest)).catch(() => null);
    return found?.isFile() === true ? found.size : null;
  }

  /** Whole bytes, measured again; null where they are absent or no longer what their name says. */
  async read(digest: FileDigest, maxBytes: number): Promise<Uint8Array | null> {
    const size = await this.size(digest);
    if (size === null || size > maxBytes) return null;
    const bytes = await readFile(this.#path(digest));
    return `sha256:${createHash("sha256").update(bytes).digest("hex")}` === digest ? bytes : null;
  }

  stream(digest: FileDigest, range?: { readonly start: number; readonly end: number }): ReadStream {
    return createReadStream(this.#path(digest), range ?? {});
  }

  async put(bytes: Uint8Array): Promise<FileDigest> {
    const upload = await this.beginUpload();
    await this.append(upload, bytes);
    return this.finish(upload, `sha256:${createHash("sha256").update(bytes).digest("hex")}`);
  }

  async beginUpload(): Promise<string> {
    const id = randomUUID();
    await writeFile(this.#uploadPath(id), "", { flag: "wx", mode: 0o600 });
    return id;
  }

  #uploadPath(id: string): string {
    if (!/^[0-9a-f-]{36}$/.test(id))
      throw new RegistryError("upload.unknown", "cannot find that upload session");
    return join(this.#root, "uploads", id);
  }

  async uploadSize(id: string): Promise<number> {
    const found = await stat(this.#uploadPath(id)).catch(() => null);
    if (found === null)
      throw new RegistryError("upload.unknown", "cannot find that upload session");
    return found.size;
  }

  /** content: attacker-controlled; counted while it streams, over the bound the upload ends. Returns the size so far. */
  async append(id: string, content: Uint8Array | Readable): Promise<number> {
    let size = await this.uploadSize(id);
    await using file = await open(this.#uploadPath(id), "a");
    for await (const chunk of content instanceof Uint8Array ? [content] : content) {
      const bytes = chunk as Uint8Array; // request streams carry no encoding
      size += bytes.length;
      if (size > limits.artifactFileBytes.value) {
        await this.cancel(id);
        throw new RegistryError(
          "request.too_large",
          `cannot take a blob over ${limits.artifactFileBytes.value} bytes`,
        );
      }
      await file.write(bytes);
    }
    return size;
  }

  async cancel(id: string): Promise<void> {
    await rm(this.#uploadPath(id), { force: true });
  }

  /** Durable when it returns: measured, fsynced, renamed, folder fsynced. Throws "digest.mismatch"; the upload is gone then. */
  async finish(id: string, wanted: string): Promise<FileDigest> {
    const path = this.#uploadPath(id);
    await this.uploadSize(id);
    const digest = parseDigest("file", wanted);
    const measured = await hashFile(path);
    if (measured !== digest) {
      await this.cancel(id);
      throw new RegistryError(
        "digest.mismatch",
        `cannot store the blob as ${digest}: its bytes have ${measured}`,
      );
    }
    await using file = await open(path, "r");
    await file.sync();
    await rename(path, this.#path(digest));
    await using folder = await open(dirname(this.#path(digest)), "r");
    await folder.sync();
    return digest;
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array); // no encoding set: chunks are bytes
  return `sha256:${hash.digest("hex")}`;
}
