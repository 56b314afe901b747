import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { havePeers, peerPaths } from "../../scripts/peers.mjs";
import type { PeerPaths } from "../../scripts/peers.mjs";
import { parseEvidence } from "../../src/core/contract/index.ts";
import { call, operations } from "../../src/core/http-api/index.ts";
import { digestOf } from "../../src/core/trust/index.ts";
import { writeLayout } from "../../src/kit/index.ts";
import type { SignedArtifact } from "../../src/kit/index.ts";
import { pack } from "./caisson.ts";
import type { Caisson, Tenant } from "./caisson.ts";
import { startCaisson } from "./start-caisson.ts";

let caisson: Caisson;
let home: string;
let peers: PeerPaths | null = null;
beforeAll(async () => {
  caisson = await startCaisson();
  home = await mkdtemp(join(tmpdir(), "caisson-interop-"));
  if (havePeers()) peers = peerPaths();
});
afterAll(async () => {
  await caisson[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const run = promisify(execFile);
const BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";

interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

async function peer(name: keyof PeerPaths, args: readonly string[]): Promise<Ran> {
  if (peers === null) throw new Error("oras and crane are not there");
  // Credentials and caches of whoever runs the tests stay out of it.
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, DOCKER_CONFIG: join(home, "docker") };
  try {
    const { stdout, stderr } = await run(peers[name], args, { env, cwd: home, timeout: 60_000 });
    return { exit: 0, out: stdout.trim(), err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }; // execFile's rejection
    return { exit: code, out: stdout, err: stderr };
  }
}

/** Both read a login from this folder: crane's must not serve oras. */
async function logOut(): Promise<void> {
  await rm(join(home, "docker"), { recursive: true, force: true });
}

async function oras(key: string | null, ...args: string[]): Promise<Ran> {
  await logOut();
  const login = key === null ? [] : ["-u", "anyone", "-p", key];
  return peer("oras", [...args, "--plain-http", ...login]);
}

/** crane reads credentials from a file only. */
async function crane(key: string | null, ...args: string[]): Promise<Ran> {
  await logOut();
  if (key !== null) {
    const login = ["auth", "login", host(), "-u", "anyone", "-p", key];
    expect((await peer("crane", login)).exit).toBe(0);
  }
  return peer("crane", [...args, "--insecure"]);
}

function host(): string {
  return new URL(caisson.operator.url).host;
}

function at(artifact: SignedArtifact, reference: string = artifact.config.version): string {
  const { publisher, name } = artifact.config;
  return `${host()}/${publisher}/${name}${reference.includes(":") ? "@" : ":"}${reference}`;
}

/** A signed artifact as an OCI layout in a folder of its own. */
async function laidOut(name: string): Promise<{ artifact: SignedArtifact; folder: string }> {
  const artifact = caisson.sign(await pack({ name }));
  const folder = join(home, name);
  await writeLayout(folder, artifact);
  return { artifact, folder };
}

async function fetchBlob(
  artifact: SignedArtifact,
  digest: string,
  tenant: Tenant | null,
  range?: string,
): Promise<Response> {
  const { publisher, name } = artifact.config;
  return fetch(`${caisson.operator.url}/v2/${publisher}/${name}/blobs/${digest}`, {
    headers: {
      ...(tenant === null ? {} : { authorization: `Bearer ${tenant.key}` }),
      ...(range === undefined ? {} : { range }),
    },
  });
}

// Without Go this is the one skip: the tests of the two clients are not there at all.
test("oras and crane are present", ({ skip }) => skip(!havePeers(), "Go is not installed"));

function withPeers(name: string, body: () => Promise<void>): void {
  if (havePeers()) test(name, body);
}

withPeers("oras pushes a layout with its referrer; the publish door admits it", async () => {
  const { artifact, folder } = await laidOut("by-oras");
  const pushed = await peer("oras", [
    "cp",
    "-r",
    "--from-oci-layout",
    `${folder}:1.0.0`,
    at(artifact),
    "--to-plain-http",
    "--to-username",
    "anyone",
    "--to-password",
    caisson.north.key,
  ]);
  expect(pushed).toMatchObject({ exit: 0 });
  const { key } = caisson.north;
  const found = await oras(key, "discover", "--format", "json", at(artifact));
  expect(found.out).toContain(BUNDLE_TYPE);
  expect(found.out).toContain(artifact.referrerDigest);
  expect(await caisson.judge(artifact, "1.0.0")).toBe("admitted");
});

withPeers("oras discovers the bundle that the evidence of a verdict holds", async () => {
  const artifact = await caisson.serve({ name: "discovered" });
  const { verdict } = await call(caisson.north, operations.installShow, {
    params: { tenant: caisson.north.id, extension: "acme.discovered" },
  });
  const { evidence } = await call(caisson.north, operations.verdictEvidence, {
    params: { id: verdict },
  });
  const bundle = parseEvidence(Buffer.from(evidence)).artifact?.bundle ?? new Uint8Array();
  const shown = await oras(caisson.north.key, "discover", "--format", "json", at(artifact));
  const { referrers } = JSON.parse(shown.out) as { referrers: { digest: string }[] };
  const layers = await Promise.all(
    referrers.map(async ({ digest }) => {
      const fetched = await oras(caisson.north.key, "manifest", "fetch", at(artifact, digest));
      return (JSON.parse(fetched.out) as { layers: { digest: string }[] }).layers;
    }),
  );
  expect(layers.flat().map(({ digest }) => digest)).toContain(digestOf("file", bundle));
});

withPeers("oras pulls what it pushed, byte for byte, and lists the tag", async () => {
  const { artifact } = await laidOut("oras-pulls");
  expect(await caisson.publish(artifact)).toBe("admitted");
  const { key } = caisson.south;
  const manifest = await oras(key, "manifest", "fetch", at(artifact));
  expect(Buffer.from(manifest.out)).toEqual(Buffer.from(artifact.manifest));
  const tags = await oras(key, "repo", "tags", at(artifact).replace(/:[^:]*$/, ""));
  expect(tags.out).toBe("1.0.0");
  const copy = join(home, "oras-copy");
  const pulled = await peer("oras", [
    "cp",
    "--from-plain-http",
    "--from-username",
    "anyone",
    "--from-password",
    key,
    at(artifact),
    "--to-oci-layout",
    `${copy}:1.0.0`,
  ]);
  expect(pulled).toMatchObject({ exit: 0 });
  for (const digest of [...artifact.blobs.keys()].slice(0, 2)) {
    const bytes = await readFile(join(copy, "blobs/sha256", digest.slice(7)));
    expect(bytes).toEqual(Buffer.from(artifact.blobs.get(digest) ?? []));
  }
});

withPeers("oras pushes a blob by itself and pulls it by digest", async () => {
  const { artifact } = await laidOut("oras-blob");
  const file = join(home, "blob.bin");
  await writeFile(file, Buffer.alloc(100_000, 7));
  const digest = `sha256:${createHash("sha256")
    .update(await readFile(file))
    .digest("hex")}`;
  expect(await oras(caisson.north.key, "blob", "push", at(artifact, digest), file)).toMatchObject({
    exit: 0,
  });
  const out = join(home, "blob.out");
  const pulled = await oras(
    caisson.north.key,
    "blob",
    "fetch",
    "--output",
    out,
    at(artifact, digest),
  );
  expect(pulled).toMatchObject({ exit: 0 });
  expect(await readFile(out)).toEqual(await readFile(file));
});

withPeers("crane pushes by POST, PATCH and PUT; digest and tags agree", async () => {
  const { artifact, folder } = await laidOut("by-crane");
  // crane takes a layout with one manifest; the referrer follows by its own push.
  const pushed = await crane(caisson.north.key, "push", await oneManifest(folder), at(artifact));
  expect(pushed).toMatchObject({ exit: 0 });
  const { key } = caisson.north;
  expect((await crane(key, "digest", at(artifact))).out).toBe(artifact.digest);
  expect((await crane(key, "ls", at(artifact).replace(/:[^:]*$/, ""))).out).toBe("1.0.0");
  const manifest = await crane(key, "manifest", at(artifact));
  expect(Buffer.from(manifest.out)).toEqual(Buffer.from(artifact.manifest));
  expect(await caisson.publish(artifact)).toBe("admitted");
});

withPeers("crane pulls an admitted artifact as a layout", async () => {
  const { artifact } = await laidOut("crane-pulls");
  expect(await caisson.publish(artifact)).toBe("admitted");
  const out = join(home, "crane-out");
  const pulled = await crane(caisson.south.key, "pull", "--format", "oci", at(artifact), out);
  expect(pulled).toMatchObject({ exit: 0 });
  const manifest = await readFile(join(out, "blobs/sha256", artifact.digest.slice(7)));
  expect(manifest).toEqual(Buffer.from(artifact.manifest));
});

withPeers("without a key oras and crane neither push nor pull", async () => {
  const { artifact, folder } = await laidOut("anonymous");
  expect(await caisson.publish(artifact)).toBe("admitted");
  for (const ran of [
    await oras(null, "manifest", "fetch", at(artifact)),
    await crane(null, "manifest", at(artifact)),
    await crane(null, "push", await oneManifest(folder), at(artifact, "2.0.0")),
  ]) {
    expect(ran.exit).not.toBe(0);
    expect(ran.err).toMatch(/401|unauthorized|UNAUTHORIZED|basic credential not found/);
  }
  expect(await oras(caisson.south.key, "manifest", "fetch", at(artifact))).toMatchObject({
    exit: 0,
  });
});

withPeers("another tenant's key pushes nothing under a publisher", async () => {
  const { artifact, folder } = await laidOut("foreign-push");
  const layout = await oneManifest(folder);
  const refused = await crane(caisson.south.key, "push", layout, at(artifact));
  expect(refused.exit).not.toBe(0);
  expect(refused.err).toMatch(/DENIED/);
  expect(await crane(caisson.north.key, "push", layout, at(artifact))).toMatchObject({ exit: 0 });
});

withPeers("a pending artifact is unseen by another tenant until published", async () => {
  const { artifact, folder } = await laidOut("pending");
  const layout = await oneManifest(folder);
  expect(await crane(caisson.north.key, "push", layout, at(artifact))).toMatchObject({ exit: 0 });
  const { key } = caisson.south;
  const early = await oras(key, "manifest", "fetch", at(artifact));
  expect(early.exit).not.toBe(0);
  expect(early.err).toMatch(/not found/i);
  expect((await crane(key, "ls", at(artifact).replace(/:[^:]*$/, ""))).exit).not.toBe(0);
  expect(await oras(caisson.north.key, "manifest", "fetch", at(artifact))).toMatchObject({
    exit: 0,
  });
  for (const digest of artifact.blobs.keys())
    expect((await fetchBlob(artifact, digest, caisson.south)).status).toBe(404);
  expect(await caisson.publish(artifact)).toBe("admitted");
  expect(await oras(key, "manifest", "fetch", at(artifact))).toMatchObject({ exit: 0 });
  for (const digest of artifact.blobs.keys())
    expect((await fetchBlob(artifact, digest, caisson.south)).status).toBe(200);
});

test("a blob is served by ranges, and a range past its end is refused", async () => {
  const { artifact } = await laidOut("ranges");
  expect(await caisson.publish(artifact)).toBe("admitted");
  const [, [digest, bytes] = ["", new Uint8Array()]] = [...artifact.blobs];
  const part = await fetchBlob(artifact, digest, caisson.north, "bytes=4-11");
  expect(part.status).toBe(206);
  expect(part.headers.get("content-range")).toBe(`bytes 4-11/${bytes.length}`);
  expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytes.slice(4, 12));
  const rest = await fetchBlob(artifact, digest, caisson.north, `bytes=${bytes.length - 3}-`);
  expect(new Uint8Array(await rest.arrayBuffer())).toEqual(bytes.slice(-3));
  const past = await fetchBlob(artifact, digest, caisson.north, `bytes=${bytes.length}-`);
  expect(past.status).toBe(416);
  const whole = await fetchBlob(artifact, digest, caisson.north);
  expect(whole.status).toBe(200);
  expect((await fetchBlob(artifact, digest, null)).status).toBe(401);
});

test("the data folder's registry is an OCI layout: every blob has the digest of its name", async () => {
  const { artifact } = await laidOut("layout-on-disk");
  expect(await caisson.publish(artifact)).toBe("admitted");
  const root = join(caisson.data, "oci");
  expect(JSON.parse(await readFile(join(root, "oci-layout"), "utf8"))).toEqual({
    imageLayoutVersion: "1.0.0",
  });
  const names = await readdir(join(root, "blobs/sha256"));
  expect(names).toEqual(
    expect.arrayContaining([...artifact.blobs.keys()].map((digest) => digest.slice(7))),
  );
  for (const name of names) {
    const bytes = await readFile(join(root, "blobs/sha256", name));
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(name);
  }
});

/** The same layout with only its first manifest in the index: crane refuses two. */
async function oneManifest(folder: string): Promise<string> {
  const path = join(folder, "index.json");
  const index = JSON.parse(await readFile(path, "utf8")) as { manifests: unknown[] }; // writeLayout wrote it
  await writeFile(path, JSON.stringify({ ...index, manifests: index.manifests.slice(0, 1) }));
  return folder;
}
