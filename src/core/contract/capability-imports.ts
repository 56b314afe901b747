import type { CapabilityName } from "./extension-config.ts";

/** The WIT interface behind each capability; `caisson:ext/types` comes with every world. */
export const capabilityInterfaces: Readonly<Record<CapabilityName, string>> = {
  log: "caisson:ext/log@1.0.0",
  "http.fetch": "caisson:http/fetch@1.0.0",
  "storage.kv": "caisson:kv/store@1.0.0",
  config: "caisson:config/values@1.0.0",
  metrics: "caisson:metrics/instruments@1.0.0",
};

const ALWAYS: readonly string[] = ["caisson:ext/types@1.0.0"];
/** Real in every instance, never asked for (interfaces §3, compilation). */
const ALWAYS_PACKAGES: readonly string[] = ["wasi:clocks/", "wasi:random/"];

/**
 * Imports that neither the capabilities asked for nor the committed list of toolchain imports explain.
 * imports: attacker-controlled names; toolchain: `package:interface` without a version.
 */
export function unaskedImports(
  imports: readonly string[],
  capabilities: readonly CapabilityName[],
  toolchain: ReadonlySet<string>,
): string[] {
  const asked = new Set([...ALWAYS, ...capabilities.map((name) => capabilityInterfaces[name])]);
  return imports.filter((name) => {
    if (asked.has(name) || ALWAYS_PACKAGES.some((start) => name.startsWith(start))) return false;
    return !toolchain.has(name.replace(/@.*$/, ""));
  });
}

/** One `package:interface` per line; empty lines and lines that start with "#" are comments. */
export function parseToolchainImports(text: string): ReadonlySet<string> {
  return new Set(
    text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#")),
  );
}
