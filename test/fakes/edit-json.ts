import { writeUtf8 } from "../../src/core/trust/index.ts";

/** Takes a field away. */
export const GONE = Symbol("gone");
export type Edit = readonly [path: string, value: unknown];

/** A copy of the JSON value with the values at dotted paths replaced, added or taken away. */
export function editJson(value: unknown, ...edits: readonly Edit[]): unknown {
  const copy: unknown = structuredClone(value);
  for (const [path, next] of edits) {
    const keys = path.split(".");
    const last = keys.pop() ?? "";
    const target = keys.reduce<unknown>((node, key) => asObject(node)[key], copy);
    if (next === GONE) Reflect.deleteProperty(asObject(target), last);
    else asObject(target)[last] = next;
  }
  return copy;
}

/** The same on the bytes of a JSON document. */
export function editBytes(bytes: Uint8Array, ...edits: readonly Edit[]): Uint8Array {
  return writeUtf8(JSON.stringify(editJson(readJson(bytes), ...edits)));
}

export function readJson(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString());
}

/** The value at a dotted path. */
export function at(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((node, key) => asObject(node)[key], value);
}

function asObject(node: unknown): Record<string, unknown> {
  if (typeof node !== "object" || node === null)
    throw new Error("the path leads through something that is no object");
  // Lists are objects with index names, too.
  return node as Record<string, unknown>;
}
