import { WasmCursor } from "#contract";
import { notMerged } from "./kit-error.ts";
import {
  concat,
  nameBytes,
  readName,
  readSections,
  readVector,
  vector,
  withSections,
} from "./wasm-sections.ts";

const [CUSTOM, TYPE, IMPORT, MEMORY, GLOBAL, EXPORT, START, ELEMENT, DATA] = [
  0, 1, 2, 5, 6, 7, 8, 9, 11,
];
const [FUNCTION_KIND, TABLE_KIND, MEMORY_KIND, GLOBAL_KIND] = [0, 1, 2, 3];
const [FUNCREF, EXTERNREF] = [0x70, 0x6f];
const END = 0x0b;

export interface CoreImport {
  readonly module: string;
  readonly name: string;
  /** 0 function, 1 table, 2 memory, 3 global: the same numbers are the component model's core sorts. */
  readonly kind: number;
}

/** What merging has to know of a core module. */
export interface CoreModule {
  readonly imports: readonly CoreImport[];
  readonly exports: readonly string[];
  readonly hasMemory: boolean;
  readonly hasStart: boolean;
}

/** Throws KitError "component.build" for a kind of import that is not known here. */
export function readCoreModule(bytes: Uint8Array): CoreModule {
  const sections = readSections(bytes);
  const imports = sections
    .filter(({ id }) => id === IMPORT)
    .flatMap(({ body }) => readImports(body));
  return {
    imports,
    exports: sections
      .filter(({ id }) => id === EXPORT)
      .flatMap(({ body }) => readExports(body).map(({ name }) => name)),
    hasMemory:
      sections.some(({ id }) => id === MEMORY) || imports.some(({ kind }) => kind === MEMORY_KIND),
    hasStart: sections.some(({ id }) => id === START),
  };
}

/** The module with other names on its imports and exports, and without custom sections. */
export function renameModule(
  bytes: Uint8Array,
  importName: (entry: CoreImport) => readonly [module: string, name: string],
  exportName: (name: string) => string | null,
): Uint8Array {
  const sections = readSections(bytes)
    .filter(({ id }) => id !== CUSTOM)
    .map(({ id, body }) => {
      if (id === IMPORT) {
        const entries = readImports(body).map((entry) =>
          concat([...importName(entry).map(nameBytes), entry.type]),
        );
        return { id, body: vector(entries) };
      }
      if (id !== EXPORT) return { id, body };
      const entries = readExports(body).flatMap(({ name, target }) => {
        const renamed = exportName(name);
        return renamed === null ? [] : [concat([nameBytes(renamed), target])];
      });
      return { id, body: vector(entries) };
    });
  return withSections(bytes, sections);
}

/** The module without the element segments that fill an imported table which `fills` does not name. */
export function withoutElements(
  bytes: Uint8Array,
  fills: (table: CoreImport) => boolean,
): Uint8Array {
  const tables = readCoreModule(bytes).imports.filter(({ kind }) => kind === TABLE_KIND);
  const kept = (table: number | null) => {
    const imported = table === null ? undefined : tables[table];
    return imported === undefined || fills(imported);
  };
  const sections = readSections(bytes).map((section) => {
    if (section.id !== ELEMENT) return section;
    const cursor = new WasmCursor(section.body);
    const segments = readVector(cursor, () => readElements(cursor, Infinity));
    return {
      id: ELEMENT,
      body: vector(segments.filter(({ table }) => kept(table)).map(({ segment }) => segment)),
    };
  });
  return withSections(bytes, sections);
}

/**
 * Requires that nothing which merging brings in is left that only the GC proposal allows: types are plain functions, and every
 * offset and initial value is a constant (or an imported global), so that memory and table can be mapped from an image.
 */
export function requirePlain(bytes: Uint8Array): void {
  const sections = readSections(bytes);
  const importedGlobals = sections
    .filter(({ id }) => id === IMPORT)
    .flatMap(({ body }) => readImports(body))
    .filter(({ kind }) => kind === GLOBAL_KIND).length;
  for (const { id, body } of sections) {
    const cursor = new WasmCursor(body);
    if (id === TYPE) readVector(cursor, () => requireFunctionType(cursor));
    if (id === GLOBAL)
      readVector(cursor, () => {
        cursor.take(2);
        requireInitial(cursor, importedGlobals, "a global");
      });
    if (id === DATA) readVector(cursor, () => requirePlainData(cursor));
    if (id === ELEMENT) readVector(cursor, () => readElements(cursor, null));
  }
}

interface RawImport extends CoreImport {
  /** Kind and type, as in the file. */
  readonly type: Uint8Array;
}

function readImports(body: Uint8Array): RawImport[] {
  const cursor = new WasmCursor(body);
  return readVector(cursor, () => {
    const [module, name] = [readName(cursor), readName(cursor)];
    const from = cursor.at;
    const kind = cursor.byte();
    if (kind === FUNCTION_KIND) cursor.u32();
    else if (kind === TABLE_KIND) {
      if (![FUNCREF, EXTERNREF].includes(cursor.byte()))
        throw notMerged(`import ${module} ${name} is a table of a type not known`);
      skipLimits(cursor);
    } else if (kind === MEMORY_KIND) skipLimits(cursor);
    else if (kind === GLOBAL_KIND) cursor.take(2);
    else throw notMerged(`import ${module} ${name} is of kind ${kind}`);
    return { module, name, kind, type: cursor.since(from) };
  });
}

function skipLimits(cursor: WasmCursor): void {
  const flags = cursor.byte();
  if (flags > 1) throw notMerged(`a memory or table has limits of form ${flags}`);
  cursor.u32();
  if (flags === 1) cursor.u32();
}

function readExports(body: Uint8Array): { name: string; target: Uint8Array }[] {
  const cursor = new WasmCursor(body);
  return readVector(cursor, () => {
    const name = readName(cursor);
    const from = cursor.at;
    cursor.byte();
    cursor.u32();
    return { name, target: cursor.since(from) };
  });
}

function requireFunctionType(cursor: WasmCursor): void {
  const FUNCTION_TYPE = 0x60;
  if (cursor.byte() !== FUNCTION_TYPE) throw notMerged("a type is no plain function");
  for (let vectors = 0; vectors < 2; vectors++)
    readVector(cursor, () => {
      const type = cursor.byte();
      if (type < 0x7b && type !== FUNCREF && type !== EXTERNREF)
        throw notMerged(`a function has a value of type ${type}`);
    });
}

function requirePlainData(cursor: WasmCursor): void {
  const form = cursor.u32();
  if (form > 1) throw notMerged(`a data segment is of form ${form}`);
  if (form === 0) requireInitial(cursor, null, "a data segment");
  cursor.take(cursor.u32());
}

/**
 * Forms 0 to 3 list function indices; the others hold expressions and are not known here. globals: how many an offset may name;
 * table: the one that it fills by itself, or null.
 */
function readElements(
  cursor: WasmCursor,
  globals: number | null,
): { table: number | null; segment: Uint8Array } {
  const from = cursor.at;
  const form = cursor.u32();
  if (form > 3) throw notMerged(`an element segment is of form ${form}`);
  const isActive = form === 0 || form === 2;
  const named = form === 2 ? cursor.u32() : 0;
  if (isActive) requireInitial(cursor, globals, "an element segment");
  if (form !== 0) cursor.byte();
  readVector(cursor, () => cursor.u32());
  return { table: isActive ? named : null, segment: cursor.since(from) };
}

/** A constant, or for globals what extended constant expressions and imported globals make of constants. */
function requireInitial(cursor: WasmCursor, importedGlobals: number | null, owner: string): void {
  const [I32, I64, F32, F64, GLOBAL_GET, REF_NULL, REF_FUNC] = [
    0x41, 0x42, 0x43, 0x44, 0x23, 0xd0, 0xd2,
  ];
  const ARITHMETIC = [0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e];
  for (let opcode = cursor.byte(), first = true; first || opcode !== END; opcode = cursor.byte()) {
    const mayFollow = first || importedGlobals !== null;
    first = false;
    if (mayFollow && (opcode === I32 || opcode === I64)) while (cursor.byte() >= 0x80);
    else if (mayFollow && opcode === F32) cursor.take(4);
    else if (mayFollow && opcode === F64) cursor.take(8);
    else if (mayFollow && opcode === REF_NULL) cursor.byte();
    else if (mayFollow && opcode === REF_FUNC) cursor.u32();
    else if (importedGlobals !== null && ARITHMETIC.includes(opcode)) continue;
    else if (opcode !== GLOBAL_GET || cursor.u32() >= (importedGlobals ?? 0))
      throw notMerged(`${owner} starts with an expression that is no constant`);
  }
}
