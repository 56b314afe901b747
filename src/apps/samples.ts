import { access, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ApiError, call, operations } from "#http-api";
import type { ApiAddress } from "#http-api";
import { keyActions } from "#policy";
import { createPublisherKey, packFolder, pushArtifact, readPublisherKey, signPacked } from "#kit";
import type { Signer } from "#trust";
import { secretFile } from "./secret-file.ts";

const EXTENSIONS = fileURLToPath(new URL("../../extensions/", import.meta.url));
const PUBLISHER = "demo";
const SAMPLES = ["tiny", "hello"] as const;
const TENANTS = ["north", "south"] as const;
const READY_MS = 120_000;

export interface DemoTenant {
  readonly name: string;
  readonly id: string;
  readonly keyFile: string;
  readonly key: string;
}

export interface Samples {
  readonly tenants: readonly DemoTenant[];
  readonly publisherKeyFile: string;
}

/** Two demo tenants, a publisher with its key, two samples published and installed for both: each step only where it is absent. */
export async function provideSamples(data: string, port: number): Promise<Samples> {
  const address = {
    url: `http://127.0.0.1:${port}`,
    key: await secretFile(join(data, "keys/operator.key"), missingOperatorKey),
  };
  await mkdir(join(data, "dev"), { recursive: true, mode: 0o700 });
  const tenants: DemoTenant[] = [];
  for (const name of TENANTS) tenants.push(await provideTenant(address, data, name));
  const publisherKeyFile = join(data, "dev/publisher.pem");
  const signer = await provideSigner(publisherKeyFile);
  const [owner] = tenants;
  if (owner !== undefined) await providePublisher(address, owner, signer);
  for (const sample of SAMPLES) await provideSample(address, tenants, sample, signer);
  return { tenants, publisherKeyFile };
}

function missingOperatorKey(): never {
  throw new Error("control did not write its operator key");
}

async function provideTenant(address: ApiAddress, data: string, name: string): Promise<DemoTenant> {
  const { items } = await call(address, operations.tenantList);
  const { id } =
    items.find((tenant) => tenant.name === name) ??
    (await call(address, operations.tenantCreate, { body: { name } }));
  const keyFile = join(data, `dev/${name}.key`);
  if (!(await exists(keyFile))) {
    const { key } = await call(address, operations.keyCreate, {
      params: { tenant: id },
      body: { name: "demo", actions: [...keyActions] },
    });
    await secretFile(keyFile, () => key);
  }
  return { name, id, keyFile, key: await secretFile(keyFile, missingOperatorKey) };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function provideSigner(path: string): Promise<Signer> {
  return (await exists(path)) ? readPublisherKey(path, null) : createPublisherKey(path, null);
}

async function providePublisher(
  address: ApiAddress,
  owner: DemoTenant,
  signer: Signer,
): Promise<void> {
  await call(address, operations.publisherCreate, { body: { name: PUBLISHER, tenant: owner.id } });
  const { items } = await call(address, operations.trustList);
  const known = items.find((anchor) => anchor.spki === signer.publicKey.spkiDigest);
  if (known === undefined)
    await call(address, operations.trustAdd, { body: { pem: signer.publicKey.toPem() } });
  if (known?.scope === undefined || known.scope === null)
    await call(address, operations.trustScope, {
      params: { spki: signer.publicKey.spkiDigest },
      body: {
        publishers: [PUBLISHER],
        kinds: ["extension"],
        doors: ["publish", "install", "load"],
      },
    });
}

async function provideSample(
  address: ApiAddress,
  tenants: readonly DemoTenant[],
  sample: string,
  signer: Signer,
): Promise<void> {
  const extension = `${PUBLISHER}.${sample}`;
  const { items } = await call(address, operations.artifactList, { query: { extension } });
  if (items.length === 0) {
    process.stderr.write(`caisson: building and publishing ${extension}\n`);
    const signed = signPacked(await packFolder(join(EXTENSIONS, sample)), signer, new Date());
    await pushArtifact(address, signed);
    await call(address, operations.publish, {
      body: { extension, version: signed.config.version, contentHash: signed.digest },
    });
  }
  for (const tenant of tenants) await provideInstall(address, tenant, extension);
}

async function provideInstall(
  address: ApiAddress,
  tenant: DemoTenant,
  extension: string,
): Promise<void> {
  const params = { tenant: tenant.id };
  const { items } = await call(address, operations.installList, { params });
  if (!items.some((install) => install.extension === extension))
    await call(address, operations.install, { params, body: { extension } });
  await untilReady(address, tenant.id, extension);
}

/** Waits until a runner has built the install. Throws the API's error, or "install.failed" with the runner's reason. */
async function untilReady(address: ApiAddress, tenant: string, extension: string): Promise<void> {
  for (
    const end = Date.now() + READY_MS;
    Date.now() < end;
    await new Promise((resolve) => setTimeout(resolve, 50))
  ) {
    const { state, failure } = await call(address, operations.installShow, {
      params: { tenant, extension },
    });
    if (state === "ready") return;
    if (state === "failed" || failure !== null)
      throw new ApiError(
        "install.failed",
        422,
        "",
        undefined,
        `cannot run ${extension}: ${failure ?? "no runner built it"}`,
      );
  }
  throw new ApiError(
    "install.failed",
    422,
    "",
    undefined,
    `cannot run ${extension}: no runner built it within ${READY_MS} ms`,
  );
}
