import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "#trust";
import type { ManifestDigest } from "#trust";
import {
  buildArtifactManifest,
  parseExtensionConfig,
  parseToolchainImports,
  readComponentNames,
  unaskedImports,
} from "#contract";
import type { ExtensionConfig } from "#contract";
import { fileURLToPath } from "node:url";
import { buildComponent } from "./build-component.ts";
import type { Effort } from "./bundle-guest.ts";
import { writeGuestTypes } from "./guest-types.ts";
import { KitError } from "./kit-error.ts";

const TOOLCHAIN_IMPORTS = fileURLToPath(
  new URL("../../sdk/wit/toolchain-imports.txt", import.meta.url),
);

export interface Packed {
  readonly config: ExtensionConfig;
  readonly digest: ManifestDigest;
  readonly manifest: Uint8Array;
  /** Every blob by its digest: config and files. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

/**
 * Builds and packs an extension's folder; equal component and caisson.json give equal bytes on every machine.
 * say: takes remarks on the build; effort: a draft is built faster, answers the same and costs more per call.
 */
export async function packFolder(
  folder: string,
  say: (text: string) => void = () => {},
  effort: Effort = "release",
): Promise<Packed> {
  const path = join(folder, "caisson.json");
  if (!existsSync(path))
    throw new KitError(
      "project.missing",
      `cannot pack ${folder}: it has no caisson.json; make an extension with "caisson new"`,
    );
  const configBytes = await readFile(path);
  const config = parseExtensionConfig(configBytes);
  // An editor's types follow what caisson.json asks for now.
  if (existsSync(join(folder, "tsconfig.json"))) await writeGuestTypes(folder, config.capabilities);
  const prebuilt = join(folder, config.component);
  const component = existsSync(prebuilt)
    ? await readFile(prebuilt)
    : await buildComponent(folder, config, say, effort);
  return packFiles(configBytes, config, component);
}

/** Packs what is built. Throws KitError "component.imports" where the publish door would refuse. */
export async function packFiles(
  configBytes: Uint8Array,
  config: ExtensionConfig,
  component: Uint8Array,
): Promise<Packed> {
  const toolchain = parseToolchainImports(await readFile(TOOLCHAIN_IMPORTS, "utf8"));
  const unasked = unaskedImports(
    readComponentNames(component).imports,
    config.capabilities,
    toolchain,
  );
  if (unasked.length > 0)
    throw new KitError(
      "component.imports",
      `cannot pack: the component imports ${unasked.join(", ")}; ask for the capability in caisson.json or do without it`,
    );
  return assemble(configBytes, config, component);
}

/** Without the kit's own checks: what the doors get to see is up to whoever packs. */
export function assemble(
  configBytes: Uint8Array,
  config: ExtensionConfig,
  component: Uint8Array,
): Packed {
  const { bytes, digest } = buildArtifactManifest(
    configBytes,
    new Map([[config.component, component]]),
  );
  const blobs = new Map(
    [configBytes, component].map((blob) => [
      digestOf("file", blob) as string,
      new Uint8Array(blob),
    ]),
  );
  return { config, digest, manifest: bytes, blobs };
}
