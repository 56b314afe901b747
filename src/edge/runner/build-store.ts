import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  canonicalJson,
  CodedError,
  decodeHex,
  digestHex,
  digestOf,
  encodeHex,
  ObjectReader,
  parseStrictJson,
} from "#trust";
import type { BuildDigest, FileDigest } from "#trust";
import { writeFileDurably } from "#platform";

export class BuildError extends CodedError<
  "build.record" | "build.mac" | "build.component" | "build.fingerprint" | "build.digest"
> {
  override readonly name = "BuildError";
}

const RECORD_BYTES = 4_096;
const KEY_BYTES = 32;

export interface Build {
  readonly code: Uint8Array;
  readonly digest: BuildDigest;
}

/**
 * Compiled code on this machine's disk. Native code that nobody signed: only what this runner's own compiler made may be
 * mapped, so each build has a record under a MAC whose key tenants, publishers and the compiler never hold.
 */
export class BuildStore {
  readonly #dir: string;
  readonly #key: Uint8Array;

  private constructor(dir: string, key: Uint8Array) {
    this.#dir = dir;
    this.#key = key;
  }

  /** Makes the key at the first start (0600). */
  static async open(dir: string): Promise<BuildStore> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const path = join(dir, "mac.key");
    const present = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    if (present !== null) return new BuildStore(dir, decodeHex(present.trim()));
    const key = randomBytes(KEY_BYTES);
    await writeFileDurably(path, `${encodeHex(key)}\n`);
    return new BuildStore(dir, key);
  }

  #path(component: FileDigest, fingerprint: string, kind: "code" | "record"): string {
    return join(this.#dir, `${digestHex(component)}-${fingerprint.slice(0, 16)}.${kind}`);
  }

  async write(component: FileDigest, fingerprint: string, code: Uint8Array): Promise<Build> {
    const digest = digestOf("build", code);
    const body = canonicalJson({ v: 1, component, build: digest, fingerprint });
    await writeFileDurably(this.#path(component, fingerprint, "code"), code);
    await writeFileDurably(
      this.#path(component, fingerprint, "record"),
      canonicalJson({ body: encodeHex(body), mac: encodeHex(this.#mac(body)) }),
    );
    return { code, digest };
  }

  /** Null: not built yet. Throws BuildError where anything of it does not hold; nothing of it may be mapped then. */
  async read(component: FileDigest, fingerprint: string): Promise<Build | null> {
    const record = await readFile(this.#path(component, fingerprint, "record")).catch(() => null);
    const code = await readFile(this.#path(component, fingerprint, "code")).catch(() => null);
    if (record === null || code === null) return null;
    const claim = openRecord(record, (body) => this.#mac(body)); // stops: a record that this runner did not write
    if (claim.component !== component)
      throw new BuildError(
        "build.component",
        `cannot use the build: it was made of ${claim.component}, wanted ${component}`,
      ); // stops: another component's code
    if (claim.fingerprint !== fingerprint)
      throw new BuildError(
        "build.fingerprint",
        `cannot use the build: it was made for engine ${claim.fingerprint}, this one is ${fingerprint}`,
      ); // stops: another engine's code
    const digest = digestOf("build", code);
    if (claim.build !== digest)
      throw new BuildError(
        "build.digest",
        `cannot use the build: its bytes are ${digest}, the record says ${claim.build}`,
      ); // stops: changed code
    return { code, digest };
  }

  async forget(component: FileDigest, fingerprint: string): Promise<void> {
    for (const kind of ["record", "code"] as const)
      await rm(this.#path(component, fingerprint, kind), { force: true });
  }

  #mac(body: Uint8Array): Uint8Array {
    return createHmac("sha256", this.#key).update(body).digest();
  }
}

interface Claim {
  readonly component: string;
  readonly build: string;
  readonly fingerprint: string;
}

function openRecord(bytes: Uint8Array, macOf: (body: Uint8Array) => Uint8Array): Claim {
  const { body, mac } = readRecord(bytes);
  const wanted = macOf(body);
  if (mac.length !== wanted.length || !timingSafeEqual(mac, wanted))
    throw new BuildError("build.mac", "cannot use the build: its record bears no valid MAC");
  const reader = ObjectReader.of(parseStrictJson(body, { maxBytes: RECORD_BYTES }), "build record");
  reader.literal("v", 1);
  const claim = {
    component: reader.string("component"),
    build: reader.string("build"),
    fingerprint: reader.string("fingerprint"),
  };
  reader.end();
  return claim;
}

function readRecord(bytes: Uint8Array): { body: Uint8Array; mac: Uint8Array } {
  try {
    const reader = ObjectReader.of(
      parseStrictJson(bytes, { maxBytes: RECORD_BYTES }),
      "build record",
    );
    const record = { body: decodeHex(reader.string("body")), mac: decodeHex(reader.string("mac")) };
    reader.end();
    return record;
  } catch (cause) {
    throw new BuildError("build.record", "cannot read the build's record", { cause });
  }
}
