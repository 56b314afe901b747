import { ComponentError } from "#contract";
import { readComponentCore, SECTION, seeThrough } from "./component-core.ts";
import type { CanonOption, ComponentCore, CoreRef, Instantiation } from "./component-core.ts";
import { readCoreModule } from "./core-module.ts";
import { mergeModules } from "./merge-modules.ts";
import type { MergePart } from "./merge-modules.ts";
import { NotFlattened } from "./not-flattened.ts";
import { readSections, withSections } from "./wasm-sections.ts";
import { EXTERNAL, mergedExportName, writeComponent } from "./write-component.ts";

const MAX_NESTING = 8;

export interface Flattened {
  readonly component: Uint8Array;
  /** Why the component is as it was; null where its modules were merged. */
  readonly leftBecause: string | null;
}

/**
 * Merges the core modules of a component that share one memory into one, so that a call instantiates one module with one
 * memory image and one table instead of linking several. What it imports, exports and answers stays the same; equal bytes
 * in give equal bytes out. A shape that is not known is left as it is, with the reason.
 */
export async function flattenComponent(component: Uint8Array): Promise<Flattened> {
  try {
    const flattened = await flattenNested(component, 0);
    if (flattened !== null) return { component: flattened, leftBecause: null };
    return { component, leftBecause: "it holds no modules that share a memory" };
  } catch (error) {
    if (error instanceof NotFlattened || error instanceof ComponentError)
      return { component, leftBecause: error.message };
    throw error;
  }
}

/** Null where nothing was there to merge. */
async function flattenNested(component: Uint8Array, depth: number): Promise<Uint8Array | null> {
  if (depth > MAX_NESTING) throw new NotFlattened("components are nested too deep");
  let changed = false;
  const sections = [];
  for (const section of readSections(component)) {
    const flattened =
      section.id === SECTION.component ? await flattenNested(section.body, depth + 1) : null;
    changed ||= flattened !== null;
    sections.push(flattened === null ? section : { id: section.id, body: flattened });
  }
  const bytes = changed ? withSections(component, sections) : component;
  return (await flattenOne(bytes)) ?? (changed ? bytes : null);
}

async function flattenOne(component: Uint8Array): Promise<Uint8Array | null> {
  if (!readSections(component).some(({ id }) => id === SECTION.coreInstance)) return null;
  const core = readComponentCore(component);
  const group = groupOf(core);
  if (group.length < 2) return null;
  requireMergeable(core, group);
  const external = new Map<string, CoreRef>();
  const parts = group.map((instance) => renamed(core, group, instance, external));
  // Everything that the merged module might take or give is asked for once, before it is made.
  const draft = writeComponent(component, core, { group, external, merged: new Uint8Array() });
  const merged = await mergeModules(parts, draft.demanded);
  const needed = new Set(readCoreModule(merged).imports.map(({ name }) => name));
  const used = new Map([...external].filter(([name]) => needed.has(name)));
  return writeComponent(component, core, { group, external: used, merged }).component;
}

/**
 * Instances that share a memory and can stand in one place: none takes a function that is lowered with a memory, since
 * that memory is the group's own.
 */
function groupOf(core: ComponentCore): number[] {
  return [...core.instantiations]
    .filter(
      ([, instantiation]) =>
        factsOf(core, instantiation).hasMemory &&
        importsOf(core, instantiation).every(({ ref }) => !needsMemory(core, ref)),
    )
    .map(([instance]) => instance);
}

function needsMemory(core: ComponentCore, ref: CoreRef): boolean {
  const options: readonly CanonOption[] =
    ref.from === "canon" ? (core.canons[ref.canon]?.options ?? []) : [];
  return options.some((option) => option.ref !== null);
}

/** Start functions, and instances made in between, would run in another order than before. */
function requireMergeable(core: ComponentCore, group: readonly number[]): void {
  for (const instance of group)
    if (factsOf(core, instantiationOf(core, instance)).hasStart)
      throw new NotFlattened("a module that shares a memory has a start function");
  const all = [...core.instantiations.keys()];
  const [first = 0, last = 0] = [group[0], group.at(-1)];
  if (all.filter((instance) => instance >= first && instance <= last).length !== group.length)
    throw new NotFlattened("another module starts between those that share a memory");
}

/** One canonical name for each import: of the group's own instances, or one bag for all that comes from outside. */
function renamed(
  core: ComponentCore,
  group: readonly number[],
  instance: number,
  external: Map<string, CoreRef>,
): MergePart {
  const instantiation = instantiationOf(core, instance);
  const names = new Map<string, readonly [string, string]>();
  for (const { module, name, ref } of importsOf(core, instantiation)) {
    const own = ref.from === "instance" && group.includes(ref.instance);
    const target = own ? mergedExportName(ref.instance, ref.name) : keyOf(ref);
    if (!own) external.set(target, ref);
    names.set(pairKey(module, name), [own ? String(ref.instance) : EXTERNAL, target]);
  }
  return {
    name: String(instance),
    bytes: core.modules[instantiation.module]?.bytes ?? new Uint8Array(),
    importName: (module, name) => names.get(pairKey(module, name)) ?? [module, name],
    exportName: (name) => mergedExportName(instance, name),
  };
}

function pairKey(module: string, name: string): string {
  return JSON.stringify([module, name]);
}

function keyOf(ref: CoreRef): string {
  return ref.from === "canon"
    ? `canon/${ref.canon}`
    : `${ref.sort}/${mergedExportName(ref.instance, ref.name)}`;
}

function importsOf(
  core: ComponentCore,
  instantiation: Instantiation,
): { module: string; name: string; ref: CoreRef }[] {
  return factsOf(core, instantiation).imports.map(({ module, name, kind }) => {
    const from = instantiation.args.get(module);
    if (from === undefined) throw new NotFlattened(`import ${module} has no argument`);
    return { module, name, ref: seeThrough(from, kind, name) };
  });
}

function factsOf(
  core: ComponentCore,
  { module }: Instantiation,
): ComponentCore["modules"][number]["facts"] {
  const found = core.modules[module];
  if (found === undefined) throw new NotFlattened(`core module ${module} is not there`);
  return found.facts;
}

function instantiationOf(core: ComponentCore, instance: number): Instantiation {
  const found = core.instantiations.get(instance);
  if (found === undefined) throw new NotFlattened(`core instance ${instance} is not there`);
  return found;
}
