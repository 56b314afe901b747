import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { readCoreModule, withoutElements } from "./core-module.ts";
import { notMerged } from "./kit-error.ts";
import { readLinkedModules } from "./linked-modules.ts";
import type { LinkedModule } from "./linked-modules.ts";
import { mergeModules } from "./merge-modules.ts";
import type { MergePart } from "./merge-modules.ts";

const HANDLE = "caisson:ext/handler@1.0.0#handle";
const ANSWER = "caisson:inside/entry#answer";
/** What a merged module may ask for; all else that the toolchain's modules import is answered inside. */
const IMPORTS = /^(?:caisson:(?!inside\/)|wasi:(?:clocks|random)\/)/;

/** A module of the kit's own: `sdk/guest/<name>.wat`. Its exports stand for the imports of the same name. */
interface Helper {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly exports: ReadonlySet<string>;
}

/** Where a name of the merged module stands: in which part, and under which name there. */
type Place = readonly [part: string, name: string];

/**
 * Merges the core modules that the toolchain links at every call into one, with the kit's adapter at its edge: that takes the
 * world's handler and gives the guest the parts of the request that it asks for. Names are those of the canonical ABI, so that a
 * component can be made of it. component: of the world that `insideWorldText` writes; equal bytes in give equal bytes out.
 * Throws KitError "component.build", ComponentError.
 */
export async function mergeGuest(component: Uint8Array): Promise<Uint8Array> {
  const group = readLinkedModules(component).filter(({ facts }) => facts.hasMemory);
  const entry = exporterOf(group, ANSWER);
  const memory = [exporterOf(group, "memory"), "memory"] as const;
  const realloc = [entry, "cabi_realloc"] as const;
  const guest = new Map<string, Place>([
    ["memory", memory],
    ["cabi_realloc", realloc],
    ["answer", [entry, ANSWER]],
  ]);
  const helpers = await Promise.all(["adapter", "system"].map(readHelper));
  const merged = await mergeModules(
    [
      ...group.map((linked) => guestPart(linked, group, helpers)),
      ...helpers.map((helper) => helperPart(helper, guest)),
    ],
    new Map([
      [unique("adapter", "handle"), HANDLE],
      [unique(entry, `cabi_post_${ANSWER}`), `cabi_post_${HANDLE}`],
      [unique(...memory), "memory"],
      [unique(...realloc), "cabi_realloc"],
    ]),
  );
  requireImports(merged);
  return merged;
}

function exporterOf(group: readonly LinkedModule[], name: string): string {
  const found = group.find(({ facts }) => facts.exports.includes(name));
  if (found === undefined) throw notMerged(`none of them exports ${name}`);
  return String(found.instance);
}

function guestPart(
  linked: LinkedModule,
  group: readonly LinkedModule[],
  helpers: readonly Helper[],
): MergePart {
  const { instance, bytes, facts, sourceOf } = linked;
  if (facts.hasStart) throw notMerged("one of them has a start function");
  const ownSource = (module: string, name: string) => {
    const source = sourceOf(module, name);
    return group.some((other) => other.instance === source?.instance) ? source : null;
  };
  return {
    name: String(instance),
    // What is left out fills the table by which functions were lowered before their memory was there.
    bytes: withoutElements(bytes, ({ module, name }) => ownSource(module, name) !== null),
    importName: (module, name) => {
      const source = ownSource(module, name);
      if (source !== null) return placed(String(source.instance), source.name);
      const canonical = `${module.replace(/@.*$/, "")} ${name}`;
      const helper = helpers.find(({ exports }) => exports.has(canonical));
      return helper === undefined ? [module, name] : placed(helper.name, canonical);
    },
    exportName: (name) => unique(String(instance), name),
  };
}

function helperPart({ name: part, bytes }: Helper, guest: ReadonlyMap<string, Place>): MergePart {
  return {
    name: part,
    bytes,
    importName: (module, name) => {
      const place = guest.get(name);
      return module === "guest" && place !== undefined ? placed(...place) : [module, name];
    },
    exportName: (name) => unique(part, name),
  };
}

async function readHelper(name: string): Promise<Helper> {
  const { parse } = await import("@bytecodealliance/jco-transpile/wasm-tools");
  const file = fileURLToPath(new URL(`../../sdk/guest/${name}.wat`, import.meta.url));
  const bytes = await parse(await readFile(file, "utf8"));
  return { name, bytes, exports: new Set(readCoreModule(bytes).exports) };
}

function placed(part: string, name: string): Place {
  return [part, unique(part, name)];
}

/** Exports of all parts stand side by side. */
function unique(part: string, name: string): string {
  return `${part}/${name}`;
}

function requireImports(merged: Uint8Array): void {
  const left = readCoreModule(merged).imports.find(({ module }) => !IMPORTS.test(module));
  if (left !== undefined)
    throw notMerged(`they import ${left.module} ${left.name}, which nothing answers`);
}
