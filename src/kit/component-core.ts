import { WasmCursor } from "#contract";
import { readCoreModule } from "./core-module.ts";
import type { CoreModule } from "./core-module.ts";
import { NotFlattened } from "./not-flattened.ts";
import { readName, readSections, readVector } from "./wasm-sections.ts";
import type { WasmSection } from "./wasm-sections.ts";

/** Section ids of a component (component-model Binary.md). */
export const SECTION = {
  custom: 0,
  coreModule: 1,
  coreInstance: 2,
  component: 4,
  instance: 5,
  alias: 6,
  canon: 8,
  start: 9,
  import: 10,
  export: 11,
} as const;
const [CORE_SORT, CORE_EXPORT, OUTER] = [0, 1, 2];
/** Functions, tables, memories, globals: core sorts 0 to 3. */
const CORE_SORTS = 4;

/** Where something in a core index space comes from; bags of exports are seen through. */
export type CoreRef =
  | {
      readonly from: "instance";
      readonly sort: number;
      readonly instance: number;
      readonly name: string;
    }
  | { readonly from: "canon"; readonly sort: 0; readonly canon: number };

export type Bag = ReadonlyMap<string, CoreRef>;

/** A canonical function: its bytes, with references into core index spaces taken out of them. */
export interface Canon {
  readonly head: Uint8Array;
  /** The core function of a lift, behind the head. */
  readonly lifted: CoreRef | null;
  /** Null where the kind has no options. */
  readonly options: readonly CanonOption[] | null;
  readonly tail: Uint8Array;
}

export interface CanonOption {
  readonly tag: number;
  readonly ref: CoreRef | null;
}

/** What stands in a component, in order; core aliases, bags and canons that make core functions are behind references only. */
type Item =
  | { readonly kind: "raw"; readonly id: number; readonly body: Uint8Array }
  | { readonly kind: "lift"; readonly canon: Canon }
  | { readonly kind: "instantiate"; readonly instance: number };

export interface Instantiation {
  readonly module: number;
  /** A bag of exports, or an instance of a module. */
  readonly args: ReadonlyMap<string, Bag | number>;
}

export interface ComponentCore {
  readonly items: readonly Item[];
  readonly modules: readonly { readonly bytes: Uint8Array; readonly facts: CoreModule }[];
  readonly canons: readonly Canon[];
  /** By index of the core instance. */
  readonly instantiations: ReadonlyMap<number, Instantiation>;
}

/** Reads how a component's core modules hang together. Throws NotFlattened for what is not known here, ComponentError for what is malformed. */
export function readComponentCore(bytes: Uint8Array): ComponentCore {
  const reader = new CoreReader();
  for (const section of readSections(bytes)) reader.read(section);
  return reader;
}

class CoreReader implements ComponentCore {
  readonly items: Item[] = [];
  readonly modules: { bytes: Uint8Array; facts: CoreModule }[] = [];
  readonly canons: Canon[] = [];
  readonly instantiations = new Map<number, Instantiation>();
  readonly #instances: (Bag | number)[] = [];
  readonly #spaces: CoreRef[][] = Array.from({ length: CORE_SORTS }, () => []);

  read({ id, body }: WasmSection): void {
    const cursor = new WasmCursor(body);
    if (id === SECTION.coreModule) this.modules.push({ bytes: body, facts: readCoreModule(body) });
    else if (id === SECTION.coreInstance) readVector(cursor, () => this.#readInstance(cursor));
    else if (id === SECTION.alias) readVector(cursor, () => this.#readAlias(cursor));
    else if (id === SECTION.canon) readVector(cursor, () => this.#readCanon(cursor));
    else if (id !== SECTION.custom || readName(cursor) !== "component-name") {
      refuseCoreUse(id, cursor);
      this.items.push({ kind: "raw", id, body });
    }
  }

  #readInstance(cursor: WasmCursor): void {
    const index = this.#instances.length;
    if (cursor.byte() !== 0) {
      const entries = readVector(
        cursor,
        () => [readName(cursor), this.#ref(cursor.byte(), cursor.u32())] as const,
      );
      this.#instances.push(new Map(entries));
      return;
    }
    const module = cursor.u32();
    const args = readVector(cursor, () => {
      const name = readName(cursor);
      cursor.byte(); // the sort of an argument is always "instance"
      return [name, this.#instance(cursor.u32())] as const;
    });
    this.#instances.push(index);
    this.instantiations.set(index, { module, args: new Map(args) });
    this.items.push({ kind: "instantiate", instance: index });
  }

  #readAlias(cursor: WasmCursor): void {
    const from = cursor.at;
    const sort = cursor.byte();
    const coreSort = sort === CORE_SORT ? cursor.byte() : null;
    const target = cursor.byte();
    const index = cursor.u32();
    if (target === OUTER) cursor.u32();
    const name = target === OUTER ? "" : readName(cursor);
    if (coreSort === null) {
      this.items.push({ kind: "raw", id: SECTION.alias, body: one(cursor.since(from)) });
      return;
    }
    if (target !== CORE_EXPORT || coreSort >= CORE_SORTS)
      throw new NotFlattened(`a core alias of sort ${coreSort} points outside`);
    this.#define(coreSort, seeThrough(this.#instance(index), coreSort, name));
  }

  #readCanon(cursor: WasmCursor): void {
    const [LIFT, LOWER, NEW, DROP, REP] = [0, 1, 2, 3, 4];
    const from = cursor.at;
    const kind = cursor.byte();
    if (kind === LIFT) {
      cursor.byte();
      const head = cursor.since(from);
      const lifted = this.#ref(0, cursor.u32());
      const options = this.#readOptions(cursor);
      const type = cursor.at;
      cursor.u32();
      const canon = { head, lifted, options, tail: cursor.since(type) };
      this.items.push({ kind: "lift", canon });
      return;
    }
    if (kind === LOWER) cursor.byte();
    else if (kind !== NEW && kind !== DROP && kind !== REP)
      throw new NotFlattened(`a canonical function of kind ${kind}`);
    cursor.u32();
    const head = cursor.since(from);
    const options = kind === LOWER ? this.#readOptions(cursor) : null;
    this.#define(0, { from: "canon", sort: 0, canon: this.canons.length });
    this.canons.push({ head, lifted: null, options, tail: new Uint8Array() });
  }

  #readOptions(cursor: WasmCursor): CanonOption[] {
    const [UTF8, LATIN1, MEMORY, REALLOC, POST_RETURN] = [0, 2, 3, 4, 5];
    return readVector(cursor, () => {
      const tag = cursor.byte();
      if (tag >= UTF8 && tag <= LATIN1) return { tag, ref: null };
      if (tag === MEMORY) return { tag, ref: this.#ref(2, cursor.u32()) };
      if (tag === REALLOC || tag === POST_RETURN) return { tag, ref: this.#ref(0, cursor.u32()) };
      throw new NotFlattened(`a canonical function has option ${tag}`);
    });
  }

  #define(sort: number, ref: CoreRef): void {
    this.#spaces[sort]?.push(ref);
  }

  #ref(sort: number, index: number): CoreRef {
    const ref = this.#spaces[sort]?.[index];
    if (ref === undefined)
      throw new NotFlattened(`core item ${index} of sort ${sort} is not there`);
    return ref;
  }

  #instance(index: number): Bag | number {
    const instance = this.#instances[index];
    if (instance === undefined) throw new NotFlattened(`core instance ${index} is not there`);
    return instance;
  }
}

/** Where `name` of an instance comes from. */
export function seeThrough(instance: Bag | number, sort: number, name: string): CoreRef {
  if (typeof instance === "number") return { from: "instance", sort, instance, name };
  const ref = instance.get(name);
  if (ref === undefined || ref.sort !== sort)
    throw new NotFlattened(`a bag of exports lacks ${name}`);
  return ref;
}

function one(item: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(1), item]);
}

/** Core modules that come in, go out or are handed on would move when modules are merged. */
function refuseCoreUse(id: number, cursor: WasmCursor): void {
  if (id === SECTION.start) throw new NotFlattened("a component has a start function");
  if (id === SECTION.component) refuseOuterCore(cursor);
  if (id === SECTION.import || id === SECTION.export) refuseCoreName(cursor);
  if (id === SECTION.instance) readVector(cursor, () => refuseCoreInstance(cursor));
}

function refuseOuterCore(body: WasmCursor): void {
  for (const { id, body: nested } of readSections(rest(body))) {
    const cursor = new WasmCursor(nested);
    if (id === SECTION.component) refuseOuterCore(cursor);
    if (id !== SECTION.alias) continue;
    readVector(cursor, () => {
      const isCore = cursor.byte() === CORE_SORT;
      if (isCore) cursor.byte();
      const target = cursor.byte();
      cursor.u32();
      if (target === OUTER) cursor.u32();
      else readName(cursor);
      if (isCore && target === OUTER)
        throw new NotFlattened("a nested component takes a core module from around it");
    });
  }
}

function refuseCoreName(cursor: WasmCursor): void {
  if (cursor.u32() !== 1) throw new NotFlattened("several names stand in one section");
  skipExternName(cursor);
  if (cursor.byte() === CORE_SORT) throw new NotFlattened("a core module comes in or goes out");
}

function refuseCoreInstance(cursor: WasmCursor): void {
  const isInstantiation = cursor.byte() === 0;
  if (isInstantiation) cursor.u32();
  readVector(cursor, () => {
    if (isInstantiation) readName(cursor);
    else skipExternName(cursor);
    if (cursor.byte() === CORE_SORT) throw new NotFlattened("a core module is handed on");
    cursor.u32();
  });
}

function skipExternName(cursor: WasmCursor): void {
  if (cursor.byte() > 1) throw new NotFlattened("a name is of a form not known");
  readName(cursor);
}

function rest(cursor: WasmCursor): Uint8Array {
  return cursor.take(cursor.left);
}
