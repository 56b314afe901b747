import { WasmCursor } from "#contract";
import { KitError } from "./kit-error.ts";
import { readName, readSections, withSections } from "./wasm-sections.ts";
import type { WasmSection } from "./wasm-sections.ts";

const HANDLER = "caisson:ext/handler@1.0.0";
const [CUSTOM, ALIAS, EXPORT] = [0, 6, 11];
const FUNCTION = 1;

/**
 * Takes out exports that a toolchain leaves behind (an initialiser that runs at build time), so that nothing but the handler can be called.
 * Only a function that is alone in its section and that nothing after it can refer to is taken out; any other leftover is a KitError "component.exports".
 */
export function stripExports(component: Uint8Array): Uint8Array {
  const sections = readSections(component);
  const kept = sections.filter(
    (section, i) =>
      section.id !== EXPORT || readExport(section).name === HANDLER || !isStrippable(sections, i),
  );
  return withSections(component, kept);
}

function readExport(section: WasmSection): { name: string; count: number; sort: number } {
  const cursor = new WasmCursor(section.body);
  const count = cursor.u32();
  cursor.byte(); // the form of the name
  return { count, name: readName(cursor), sort: cursor.byte() };
}

function isStrippable(sections: readonly WasmSection[], index: number): boolean {
  const section = sections[index];
  if (section === undefined) return false;
  const { count, name, sort } = readExport(section);
  const onlyNamesFollow = sections
    .slice(index + 1)
    .every(({ id }) => id === ALIAS || id === EXPORT || id === CUSTOM);
  if (count === 1 && sort === FUNCTION && onlyNamesFollow) return true;
  throw new KitError(
    "component.exports",
    `cannot take export ${name} out of the component: only ${HANDLER} may be exported`,
  );
}
