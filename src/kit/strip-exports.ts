import { KitError } from "./kit-error.ts";

const HANDLER = "caisson:ext/handler@1.0.0";
const PREAMBLE_BYTES = 8;
const [CUSTOM, ALIAS, EXPORT] = [0, 6, 11];

interface Section {
  readonly id: number;
  readonly from: number;
  readonly body: number;
  readonly to: number;
}

/**
 * Takes out exports that a toolchain leaves behind (an initialiser that runs at build time), so that nothing but the handler can be called.
 * Only a function that is alone in its section and that nothing after it can refer to is taken out; any other leftover is a KitError "component.exports".
 */
export function stripExports(component: Uint8Array): Uint8Array {
  const sections = readSections(component);
  const leftovers = sections.filter(
    (section, i) =>
      section.id === EXPORT &&
      !isHandler(component, section) &&
      isStrippable(component, sections, i),
  );
  const parts = [
    component.subarray(0, PREAMBLE_BYTES),
    ...sections
      .filter((section) => !leftovers.includes(section))
      .map(({ from, to }) => component.subarray(from, to)),
  ];
  return new Uint8Array(Buffer.concat(parts));
}

function readSections(bytes: Uint8Array): Section[] {
  const sections: Section[] = [];
  for (let at = PREAMBLE_BYTES; at < bytes.length;) {
    const [size, body] = leb(bytes, at + 1);
    sections.push({ id: bytes[at] ?? 0, from: at, body, to: body + size });
    at = body + size;
  }
  return sections;
}

function leb(bytes: Uint8Array, at: number): [value: number, next: number] {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
  throw new KitError("component.exports", "cannot read the component: a number over 32 bits");
}

function exportName(
  bytes: Uint8Array,
  section: Section,
): { name: string; count: number; sort: number } {
  const [count, at] = leb(bytes, section.body);
  const [length, start] = leb(bytes, at + 1);
  return {
    count,
    name: Buffer.from(bytes.subarray(start, start + length)).toString("utf8"),
    sort: bytes[start + length] ?? 0,
  };
}

function isHandler(bytes: Uint8Array, section: Section): boolean {
  return exportName(bytes, section).name === HANDLER;
}

const FUNCTION = 1;

function isStrippable(bytes: Uint8Array, sections: readonly Section[], index: number): boolean {
  const section = sections[index];
  if (section === undefined) return false;
  const { count, name, sort } = exportName(bytes, section);
  const onlyNamesFollow = sections
    .slice(index + 1)
    .every(({ id }) => id === ALIAS || id === EXPORT || id === CUSTOM);
  if (count === 1 && sort === FUNCTION && onlyNamesFollow) return true;
  throw new KitError(
    "component.exports",
    `cannot take export ${name} out of the component: only ${HANDLER} may be exported`,
  );
}
