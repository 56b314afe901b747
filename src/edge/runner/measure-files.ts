import { CodedError } from "#trust";
import { isBlob, parseArtifactManifest, parseExtensionConfig } from "#contract";
import type { ExtensionConfig } from "#contract";
import type { ArtifactBytes } from "./artifact-cache.ts";

class FilesError extends CodedError<"digest.mismatch" | "component.missing"> {
  override readonly name = "FilesError";
}

/** Every part against the digest that the manifest gives it. Throws FilesError, or what the parsers of manifest and config throw. */
export function measureFiles(bytes: Pick<ArtifactBytes, "manifest" | "config" | "files">): {
  readonly config: ExtensionConfig;
  readonly component: Uint8Array;
} {
  const manifest = parseArtifactManifest(bytes.manifest);
  if (!isBlob(bytes.config, manifest.config))
    throw new FilesError(
      "digest.mismatch",
      "cannot load: the config's bytes are not those of its digest",
    );
  for (const layer of manifest.layers)
    if (!isBlob(bytes.files.get(layer.path) ?? new Uint8Array(), layer))
      throw new FilesError(
        "digest.mismatch",
        `cannot load: the bytes of ${layer.path} are not those of its digest`,
      );
  const config = parseExtensionConfig(bytes.config);
  const component = bytes.files.get(config.component);
  if (component === undefined)
    throw new FilesError("component.missing", `cannot load: no file ${config.component}`);
  return { config, component };
}
