import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { capabilityInterfaces } from "#contract";
import type { CapabilityName } from "#contract";

const WIT = fileURLToPath(new URL("../../sdk/wit/", import.meta.url));
const PACKAGE = /^package ([^;]+);/m;
const PACKAGES = ["config", "ext", "http", "kv", "metrics", "wasi"];
const HANDLER = "caisson:ext/handler@1.0.0";
const RANDOM = "wasi:random/random@0.2.0";
const CLOCKS = ["wasi:clocks/monotonic-clock@0.2.0", "wasi:clocks/wall-clock@0.2.0"];

export const WORLD = "extension";

/** One WIT text: a world with exactly the capabilities that a manifest asks for and random, and the packages behind them. */
export function worldText(capabilities: readonly CapabilityName[]): Promise<string> {
  return textOf([RANDOM, ...interfacesOf(capabilities)], HANDLER, PACKAGES);
}

/** The same with the clocks, which a language's own library reads. */
export function clockedWorldText(capabilities: readonly CapabilityName[]): Promise<string> {
  return textOf([RANDOM, ...CLOCKS, ...interfacesOf(capabilities)], HANDLER, PACKAGES);
}

/** The world of a guest inside its adapter: see `mergeGuest`. */
export function insideWorldText(capabilities: readonly CapabilityName[]): Promise<string> {
  const inside = ["caisson:inside/request", "caisson:inside/text"];
  const imports = [RANDOM, ...inside, ...interfacesOf(capabilities)];
  return textOf(imports, "caisson:inside/entry", [...PACKAGES, "inside"]);
}

function interfacesOf(capabilities: readonly CapabilityName[]): string[] {
  return capabilities.map((name) => capabilityInterfaces[name]);
}

async function textOf(
  imports: readonly string[],
  exported: string,
  folders: readonly string[],
): Promise<string> {
  const lines = [...imports.map((name) => `  import ${name};`), `  export ${exported};`];
  const packages = (await Promise.all(folders.map(nestedPackages))).flat();
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
