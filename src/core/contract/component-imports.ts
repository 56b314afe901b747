import { ComponentError, malformed, WasmCursor } from "./wasm-cursor.ts";

/** Names at the top level of a component. */
export interface ComponentNames {
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
const COMPONENT_VERSION = [0x0d, 0x00, 0x01, 0x00];
const IMPORT_SECTION = 10;
const EXPORT_SECTION = 11;
const MAX_NAMES = 1_000;
const MAX_NAME_BYTES = 512;

/**
 * Reads the import and export names of a component (component-model Binary.md, sections 10 and 11); nested sections are stepped over.
 * bytes: attacker-controlled. Throws ComponentError "component.malformed", or "component.core-module" for a plain module.
 */
export function readComponentNames(bytes: Uint8Array): ComponentNames {
  const cursor = new WasmCursor(bytes);
  if (MAGIC.some((byte) => cursor.byte() !== byte))
    throw malformed("wanted the magic number \\0asm");
  if (COMPONENT_VERSION.some((byte) => cursor.byte() !== byte))
    throw new ComponentError(
      "component.core-module",
      "cannot take a core module: wanted a component (layer 1, version 0x0d)",
    );
  const [imports, exports]: [string[], string[]] = [[], []];
  while (!cursor.done()) {
    const id = cursor.byte();
    const section = cursor.part(cursor.u32());
    if (id === IMPORT_SECTION) imports.push(...readImports(section));
    if (id === EXPORT_SECTION) exports.push(...readExports(section));
  }
  return { imports, exports };
}

function readImports(section: WasmCursor): string[] {
  return readVector(section, () => {
    const name = readExternName(section);
    skipExternType(section);
    return name;
  });
}

function readExports(section: WasmCursor): string[] {
  return readVector(section, () => {
    const name = readExternName(section);
    const sort = section.byte();
    if (sort === 0x00) section.byte();
    section.u32();
    if (section.byte() === 0x01) skipExternType(section);
    return name;
  });
}

function readVector(section: WasmCursor, readOne: () => string): string[] {
  const count = section.u32();
  if (count > MAX_NAMES) throw malformed(`${count} names in a section, at most ${MAX_NAMES}`);
  return Array.from({ length: count }, readOne);
}

function readExternName(section: WasmCursor): string {
  const form = section.byte();
  if (form > 0x02) throw malformed(`unknown name form ${form}`);
  const length = section.u32();
  if (length > MAX_NAME_BYTES)
    throw malformed(`a name of ${length} bytes, at most ${MAX_NAME_BYTES}`);
  const name = section.text(length);
  if (form === 0x02) skipNameOptions(section);
  return name;
}

function skipNameOptions(section: WasmCursor): void {
  const count = section.u32();
  for (let i = 0; i < Math.min(count, 8); i++) {
    section.byte();
    section.part(section.u32());
  }
}

function skipExternType(section: WasmCursor): void {
  const kind = section.byte();
  if (kind === 0x00) {
    if (section.byte() !== 0x11) throw malformed("a core import that is no module");
    section.u32();
  } else if (kind === 0x02) skipValueBound(section);
  else if (kind === 0x03) {
    if (section.byte() === 0x00) section.u32();
  } else if (kind === 0x01 || kind === 0x04 || kind === 0x05) section.u32();
  else throw malformed(`unknown import type ${kind}`);
}

function skipValueBound(section: WasmCursor): void {
  section.byte();
  section.u32();
}
