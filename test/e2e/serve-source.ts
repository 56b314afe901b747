import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packFolder } from "../../src/kit/index.ts";
import type { Packed } from "../../src/kit/index.ts";
import type { Caisson, Tenant } from "./caisson.ts";

export interface SourceParts {
  readonly name: string;
  /** Of src/index.ts. */
  readonly source: string;
  /** As caisson.json has them. */
  readonly capabilities: Readonly<Record<string, object>>;
  readonly deadlineMs: number;
  readonly endpoints?: readonly { readonly method: string; readonly path: string }[];
  /** Further fields of caisson.json. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** Components by what they are built from: building and compiling one takes seconds, and one does for many names. */
const built = new Map<string, Uint8Array>();

async function packSource({
  name,
  source,
  capabilities,
  deadlineMs,
  endpoints,
  more,
}: SourceParts): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), "source-"));
  try {
    const config = {
      schema: 1,
      publisher: "acme",
      name,
      version: "1.0.0",
      wit: "caisson:ext@1.0.0",
      component: "main.wasm",
      endpoints: endpoints ?? [{ method: "GET", path: "/" }],
      capabilities,
      limits: { deadlineMs },
      ...more,
    };
    await writeFile(join(folder, "caisson.json"), JSON.stringify(config));
    const key = JSON.stringify([source, Object.keys(capabilities)]);
    const component = built.get(key);
    if (component !== undefined) await writeFile(join(folder, "main.wasm"), component);
    else {
      await mkdir(join(folder, "src"));
      await writeFile(join(folder, "src/index.ts"), source);
    }
    const packed = await packFolder(folder);
    built.set(key, component ?? componentOf(packed));
    return packed;
  } finally {
    await rm(folder, { recursive: true });
  }
}

function componentOf({ blobs }: Packed): Uint8Array {
  const found = [...blobs.values()].find(
    (bytes) => Buffer.from(bytes.subarray(0, 4)).toString("latin1") === "\0asm",
  );
  if (found === undefined) throw new Error("the artifact holds no component");
  return found;
}

/** Publishes an extension of acme written in TypeScript. */
export async function publishSource(caisson: Caisson, parts: SourceParts): Promise<void> {
  const said = await caisson.publish(caisson.sign(await packSource(parts)));
  if (said !== "admitted") throw new Error(`cannot publish acme.${parts.name}: ${said}`);
}

/** Installs it for a tenant and waits until a gateway routes to it. request: what the tenant says of the grant. */
export async function installSource(
  caisson: Caisson,
  tenant: Tenant,
  name: string,
  request: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const said = await caisson.install(tenant, `acme.${name}`, request);
  if (said !== "ready") throw new Error(`cannot install acme.${name}: ${said}`);
  await caisson.untilRouted(tenant, `acme.${name}`);
}

export async function serveSource(
  caisson: Caisson,
  parts: SourceParts,
  tenant = caisson.north,
): Promise<void> {
  await publishSource(caisson, parts);
  await installSource(caisson, tenant, parts.name);
}
