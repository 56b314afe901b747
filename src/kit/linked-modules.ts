import { WasmCursor } from "#contract";
import { readCoreModule } from "./core-module.ts";
import type { CoreModule } from "./core-module.ts";
import { notMerged } from "./kit-error.ts";
import { readName, readSections, readVector } from "./wasm-sections.ts";
import type { WasmSection } from "./wasm-sections.ts";

/** Section ids of a component (component-model Binary.md). */
const SECTION = { coreModule: 1, coreInstance: 2, component: 4, alias: 6, canon: 8 } as const;
const [CORE_SORT, CORE_EXPORT, OUTER] = [0, 1, 2];
/** Functions, tables, memories, globals: core sorts 0 to 3. */
const CORE_SORTS = 4;

/** An export of a core instance, seen through bags and aliases; null: a function that the component makes of its own imports. */
type CoreSource = { readonly instance: number; readonly name: string } | null;

type Bag = ReadonlyMap<string, CoreSource>;

/** A core module at its place among those that a component links. */
export interface LinkedModule {
  /** Index of the core instance. */
  readonly instance: number;
  readonly bytes: Uint8Array;
  readonly facts: CoreModule;
  /** Where an import comes from. Throws KitError "component.build" where it comes from nowhere. */
  readonly sourceOf: (module: string, name: string) => CoreSource;
}

/**
 * The core modules that a component, or the component nested in it that has the most of them, links at every instantiation, in
 * their order. Throws ComponentError for what is malformed, KitError "component.build" for what is not known here.
 */
export function readLinkedModules(component: Uint8Array): LinkedModule[] {
  const sections = readSections(component);
  const reader = new LinkReader();
  for (const section of sections) reader.read(section);
  return sections
    .filter(({ id }) => id === SECTION.component)
    .map(({ body }) => readLinkedModules(body))
    .reduce((most, other) => (other.length > most.length ? other : most), reader.linked);
}

/** Follows the core index spaces of one component; what stands outside of them is passed over. */
class LinkReader {
  readonly linked: LinkedModule[] = [];
  readonly #modules: Uint8Array[] = [];
  readonly #instances: (Bag | number)[] = [];
  readonly #spaces: CoreSource[][] = Array.from({ length: CORE_SORTS }, () => []);

  read({ id, body }: WasmSection): void {
    const cursor = new WasmCursor(body);
    if (id === SECTION.coreModule) this.#modules.push(body);
    else if (id === SECTION.coreInstance) readVector(cursor, () => this.#readInstance(cursor));
    else if (id === SECTION.alias) readVector(cursor, () => this.#readAlias(cursor));
    else if (id === SECTION.canon) readVector(cursor, () => this.#readCanon(cursor));
  }

  #readInstance(cursor: WasmCursor): void {
    if (cursor.byte() === 0) this.#instances.push(this.#instantiate(cursor));
    else {
      const entries = readVector(
        cursor,
        () => [readName(cursor), this.#item(cursor.byte(), cursor.u32())] as const,
      );
      this.#instances.push(new Map(entries));
    }
  }

  #instantiate(cursor: WasmCursor): number {
    const instance = this.#instances.length;
    const bytes = known(this.#modules[cursor.u32()], "a core module");
    const args = readVector(cursor, () => {
      const name = readName(cursor);
      cursor.byte(); // the sort of an argument is always "instance"
      return [name, this.#instance(cursor.u32())] as const;
    });
    const bags = new Map(args);
    this.linked.push({
      instance,
      bytes,
      facts: readCoreModule(bytes),
      sourceOf: (module, name) => exportOf(known(bags.get(module), `argument ${module}`), name),
    });
    return instance;
  }

  #readAlias(cursor: WasmCursor): void {
    const sort = cursor.byte();
    const coreSort = sort === CORE_SORT ? cursor.byte() : null;
    const target = cursor.byte();
    const index = cursor.u32();
    if (target === OUTER) cursor.u32();
    const name = target === OUTER ? "" : readName(cursor);
    if (coreSort === null) return;
    if (target !== CORE_EXPORT || coreSort >= CORE_SORTS)
      throw notMerged(`a core alias of sort ${coreSort} points outside`);
    this.#spaces[coreSort]?.push(exportOf(this.#instance(index), name));
  }

  /** Each canonical function but a lift is one more core function. */
  #readCanon(cursor: WasmCursor): void {
    const [LIFT, NEW, REP] = [0, 2, 4];
    const kind = cursor.byte();
    if (kind > REP) throw notMerged(`a canonical function of kind ${kind}`);
    if (kind < NEW) cursor.byte();
    cursor.u32();
    if (kind < NEW) skipOptions(cursor);
    if (kind === LIFT) cursor.u32();
    else this.#spaces[0]?.push(null);
  }

  #item(sort: number, index: number): CoreSource {
    return known(this.#spaces[sort]?.[index], `core item ${index} of sort ${sort}`);
  }

  #instance(index: number): Bag | number {
    return known(this.#instances[index], `core instance ${index}`);
  }
}

function exportOf(instance: Bag | number, name: string): CoreSource {
  return typeof instance === "number"
    ? { instance, name }
    : known(instance.get(name), `export ${name}`);
}

function skipOptions(cursor: WasmCursor): void {
  const [LATIN1, POST_RETURN] = [2, 5];
  readVector(cursor, () => {
    const tag = cursor.byte();
    if (tag > POST_RETURN) throw notMerged(`a canonical function has option ${tag}`);
    if (tag > LATIN1) cursor.u32();
  });
}

function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw notMerged(`${what} is not there`);
  return value;
}
