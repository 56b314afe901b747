import type { Canon, ComponentCore, CoreRef, Instantiation } from "./component-core.ts";
import { SECTION } from "./component-core.ts";
import { NotFlattened } from "./not-flattened.ts";
import { concat, nameBytes, u32, vector, withSections } from "./wasm-sections.ts";
import type { WasmSection } from "./wasm-sections.ts";

/** The one module name of the merged module's imports. */
export const EXTERNAL = "outside";

export function mergedExportName(instance: number, name: string): string {
  return `${instance}/${name}`;
}

interface Merge {
  /** Core instances that become one, in the order of their making. */
  readonly group: readonly number[];
  /** What the merged module imports, by name. */
  readonly external: ReadonlyMap<string, CoreRef>;
  readonly merged: Uint8Array;
}

/**
 * Writes the component around the merged module. demanded: the names that the merged module must export.
 * Core aliases, bags and canonical functions are written where they are first needed, each in a section of its own; all
 * else keeps its order, so that no index of types, functions or components moves.
 * Throws NotFlattened where something before the last of the group needs the group.
 */
export function writeComponent(
  component: Uint8Array,
  core: ComponentCore,
  merge: Merge,
): { component: Uint8Array; demanded: ReadonlySet<string> } {
  const writer = new ComponentWriter(core, merge);
  for (const item of core.items) {
    if (item.kind === "raw") writer.sections.push(item);
    else if (item.kind === "lift") writer.lift(item.canon);
    else writer.instantiate(item.instance);
  }
  return { component: withSections(component, writer.sections), demanded: writer.demanded };
}

class ComponentWriter {
  readonly sections: WasmSection[] = [];
  readonly demanded = new Set<string>();
  readonly #core: ComponentCore;
  readonly #merge: Merge;
  /** New indices, by what is behind them. */
  readonly #refs = new Map<string, number>();
  readonly #modules = new Map<number, number>();
  readonly #instances = new Map<number, number>();
  readonly #counts = [0, 0, 0, 0];
  #instanceCount = 0;
  #moduleCount = 0;
  #mergedInstance: number | null = null;

  constructor(core: ComponentCore, merge: Merge) {
    this.#core = core;
    this.#merge = merge;
  }

  lift({ head, lifted, options, tail }: Canon): void {
    const function_ = lifted === null ? [] : [u32(this.#index(lifted))];
    this.#section(SECTION.canon, concat([head, ...function_, this.#options(options), tail]));
  }

  instantiate(instance: number): void {
    const { group, external, merged } = this.#merge;
    if (!group.includes(instance)) return this.#instantiateAlone(instance);
    if (instance !== group.at(-1)) return;
    const outside = this.#bag(external);
    this.sections.push({ id: SECTION.coreModule, body: merged });
    this.#mergedInstance = this.#make(this.#moduleCount++, [[EXTERNAL, outside]]);
  }

  #instantiateAlone(instance: number): void {
    const found = this.#core.instantiations.get(instance);
    if (found === undefined) throw new NotFlattened(`core instance ${instance} is not there`);
    const args = [...found.args].map(
      ([name, from]) => [name, this.#argument(found, name, from)] as const,
    );
    this.#instances.set(instance, this.#make(this.#module(found.module), args));
  }

  #argument(
    { module }: Instantiation,
    name: string,
    from: Instantiation["args"] extends ReadonlyMap<string, infer Arg> ? Arg : never,
  ): number {
    if (typeof from !== "number") return this.#bag(from);
    if (!this.#merge.group.includes(from)) return this.#instance(from);
    const imports = this.#core.modules[module]?.facts.imports ?? [];
    const wanted = imports.filter((entry) => entry.module === name);
    return this.#bag(
      new Map(
        wanted.map(({ name: export_, kind }) => [
          export_,
          { from: "instance", sort: kind, instance: from, name: export_ },
        ]),
      ),
    );
  }

  #make(module: number, args: readonly (readonly [name: string, instance: number])[]): number {
    const INSTANCE_SORT = 0x12;
    const written = args.map(([name, instance]) =>
      concat([nameBytes(name), Uint8Array.of(INSTANCE_SORT), u32(instance)]),
    );
    this.#section(SECTION.coreInstance, concat([Uint8Array.of(0), u32(module), vector(written)]));
    return this.#instanceCount++;
  }

  #bag(entries: ReadonlyMap<string, CoreRef>): number {
    const written = [...entries].map(([name, ref]) =>
      concat([nameBytes(name), Uint8Array.of(ref.sort), u32(this.#index(ref))]),
    );
    this.#section(SECTION.coreInstance, concat([Uint8Array.of(1), vector(written)]));
    return this.#instanceCount++;
  }

  #module(module: number): number {
    const present = this.#modules.get(module);
    if (present !== undefined) return present;
    const body = this.#core.modules[module]?.bytes;
    if (body === undefined) throw new NotFlattened(`core module ${module} is not there`);
    this.sections.push({ id: SECTION.coreModule, body });
    this.#modules.set(module, this.#moduleCount);
    return this.#moduleCount++;
  }

  #instance(instance: number): number {
    const index = this.#instances.get(instance);
    if (index === undefined) throw new NotFlattened(`core instance ${instance} is made too late`);
    return index;
  }

  #index(ref: CoreRef): number {
    const key = JSON.stringify(ref);
    const present = this.#refs.get(key);
    if (present !== undefined) return present;
    if (ref.from === "canon") this.#canon(ref.canon);
    else this.#alias(ref);
    const index = this.#counts[ref.sort] ?? 0;
    this.#counts[ref.sort] = index + 1;
    this.#refs.set(key, index);
    return index;
  }

  #alias({ sort, instance, name }: CoreRef & { readonly from: "instance" }): void {
    const grouped = this.#merge.group.includes(instance);
    const export_ = grouped ? mergedExportName(instance, name) : name;
    if (grouped) this.demanded.add(export_);
    const owner = grouped ? this.#mergedInstance : this.#instance(instance);
    if (owner === null)
      throw new NotFlattened(`${name} of a merged module is needed before its time`);
    this.#section(
      SECTION.alias,
      concat([Uint8Array.of(0, sort, 1), u32(owner), nameBytes(export_)]),
    );
  }

  #canon(canon: number): void {
    const found = this.#core.canons[canon];
    if (found === undefined) throw new NotFlattened(`canonical function ${canon} is not there`);
    this.#section(SECTION.canon, concat([found.head, this.#options(found.options), found.tail]));
  }

  /** Writes what the options refer to before the section that holds them. */
  #options(options: Canon["options"]): Uint8Array {
    if (options === null) return new Uint8Array();
    return vector(
      options.map(({ tag, ref }) =>
        ref === null ? Uint8Array.of(tag) : concat([Uint8Array.of(tag), u32(this.#index(ref))]),
      ),
    );
  }

  #section(id: number, item: Uint8Array): void {
    this.sections.push({ id, body: concat([u32(1), item]) });
  }
}
