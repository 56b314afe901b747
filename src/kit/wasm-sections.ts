import { WasmCursor } from "#contract";

const PREAMBLE_BYTES = 8;

/** One section of a core module or of a component: both layers write `id, size, body` after eight bytes of preamble. */
export interface WasmSection {
  readonly id: number;
  readonly body: Uint8Array;
}

/** The sections in order. Throws ComponentError "component.malformed". */
export function readSections(bytes: Uint8Array): WasmSection[] {
  const cursor = new WasmCursor(bytes);
  cursor.take(PREAMBLE_BYTES);
  const sections: WasmSection[] = [];
  while (!cursor.done()) {
    const id = cursor.byte();
    sections.push({ id, body: cursor.take(cursor.u32()) });
  }
  return sections;
}

/** The same file with other sections. */
export function withSections(bytes: Uint8Array, sections: readonly WasmSection[]): Uint8Array {
  return concat([
    bytes.subarray(0, PREAMBLE_BYTES),
    ...sections.flatMap(({ id, body }) => [Uint8Array.of(id), u32(body.length), body]),
  ]);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** LEB128 in its shortest form. */
function u32(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    const last = rest < 128;
    bytes.push((rest % 128) + (last ? 0 : 128));
    if (last) return Uint8Array.from(bytes);
  }
}

export function nameBytes(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  return concat([u32(bytes.length), bytes]);
}

/** A vector: its length, then its items. */
export function vector(items: readonly Uint8Array[]): Uint8Array {
  return concat([u32(items.length), ...items]);
}

export function readName(cursor: WasmCursor): string {
  return cursor.text(cursor.u32());
}

export function readVector<T>(cursor: WasmCursor, readOne: () => T): T[] {
  const items: T[] = [];
  for (let left = cursor.u32(); left > 0; left--) items.push(readOne());
  return items;
}
