import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { capabilityInterfaces } from "#contract";
import type { CapabilityName } from "#contract";

const WIT = fileURLToPath(new URL("../../sdk/wit/", import.meta.url));
const PACKAGE = /^package ([^;]+);/m;

export const WORLD = "extension";

/** One WIT text: a world with exactly the capabilities that a manifest asks for, clocks and random, and the packages behind them. */
export async function worldText(capabilities: readonly CapabilityName[]): Promise<string> {
  const imports = [
    "wasi:random/random@0.2.0",
    ...capabilities.map((name) => capabilityInterfaces[name]),
  ];
  const lines = [
    ...imports.map((name) => `  import ${name};`),
    "  export caisson:ext/handler@1.0.0;",
  ];
  const packages = (
    await Promise.all(["config", "ext", "http", "kv", "metrics", "wasi"].map(nestedPackages))
  ).flat();
  return ["package caisson:guest;", `world ${WORLD} {`, ...lines, "}", ...packages].join("\n");
}

/** Files of one package become one nested `package name { … }`. */
async function nestedPackages(folder: string): Promise<string[]> {
  const bodies = new Map<string, string[]>();
  for (const file of (await readdir(join(WIT, folder)))
    .filter((name) => name.endsWith(".wit"))
    .toSorted()) {
    const text = await readFile(join(WIT, folder, file), "utf8");
    const name = PACKAGE.exec(text)?.[1] ?? "";
    bodies.set(name, [...(bodies.get(name) ?? []), text.replace(PACKAGE, "")]);
  }
  return [...bodies].map(([name, texts]) => `package ${name} {\n${texts.join("\n")}\n}`);
}
