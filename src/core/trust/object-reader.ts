import { CodedError, quote } from "./coded-error.ts";
import { parseDigest } from "./digest.ts";
import type { Digest, DigestKind } from "./digest.ts";
import { decodeBase64 } from "./encodings.ts";
import { parseInstant } from "./instant.ts";
import type { JsonObject, JsonValue } from "./strict-json.ts";
import { TrustError } from "./trust-error.ts";
import type { TrustCode } from "./trust-error.ts";

const MAX_TEXT = 4_096;
const MAX_LIST = 4_096;

export interface TextRule {
  /** Characters; 4,096 unless told. */
  readonly max?: number;
  readonly pattern?: RegExp;
}

/**
 * Reads a closed JSON object field by field: a missing, mistyped or unread field is a TrustError with the reader's code
 * and the field's path in the message. `end()` refuses whatever was not read, so that a signed document has no field
 * that one version acts on and another ignores.
 */
export class ObjectReader {
  readonly path: string;
  readonly code: TrustCode;
  readonly #fields: JsonObject;
  readonly #read = new Set<string>();
  readonly #children: ObjectReader[] = [];

  private constructor(fields: JsonObject, path: string, code: TrustCode) {
    this.#fields = fields;
    this.path = path;
    this.code = code;
  }

  /** value: attacker-controlled, from parseStrictJson. */
  static of(
    value: JsonValue | undefined,
    path: string,
    code: TrustCode = "document.malformed",
  ): ObjectReader {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new TrustError(code, `cannot read ${path}: wanted an object`);
    // Neither null nor a list: what is left of JsonValue is JsonObject.
    return new ObjectReader(value as JsonObject, path, code);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#fields, name) && this.#fields[name] !== undefined;
  }

  value(name: string): JsonValue {
    this.#read.add(name);
    const value = this.has(name) ? this.#fields[name] : undefined;
    if (value === undefined)
      throw new TrustError(this.code, `cannot read ${this.path}: wanted a field ${quote(name)}`);
    return value;
  }

  string(name: string, rule: TextRule = {}): string {
    return this.#text(name, this.value(name), rule);
  }

  optionalString(name: string, rule: TextRule = {}): string | undefined {
    return this.has(name) ? this.string(name, rule) : undefined;
  }

  integer(name: string, range: { readonly min?: number; readonly max?: number } = {}): number {
    const value = this.value(name);
    const [min, max] = [range.min ?? 0, range.max ?? Number.MAX_SAFE_INTEGER];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max)
      this.refuse(name, `an integer from ${min} to ${max}`);
    return value;
  }

  boolean(name: string): boolean {
    const value = this.value(name);
    if (typeof value !== "boolean") this.refuse(name, "true or false");
    return value;
  }

  instant(name: string): Date {
    return this.#coded(name, () => parseInstant(this.string(name, { max: 32 })));
  }

  optionalInstant(name: string): Date | undefined {
    return this.has(name) ? this.instant(name) : undefined;
  }

  digest<K extends DigestKind>(name: string, kind: K): Digest<K> {
    return this.#coded(name, () => parseDigest(kind, this.string(name, { max: 71 })));
  }

  base64(name: string, limits: { readonly maxBytes: number }): Uint8Array {
    const text = this.string(name, { max: Math.ceil(limits.maxBytes / 3) * 4 });
    return this.#coded(name, () => decodeBase64(text, limits));
  }

  oneOf<const T extends string>(name: string, values: readonly T[]): T {
    const text = this.value(name);
    const found = values.find((value) => value === text);
    if (found === undefined) this.refuse(name, `one of ${values.join(", ")}`);
    return found;
  }

  literal<const T extends string | number | boolean | null>(name: string, wanted: T): T {
    if (this.value(name) !== wanted) this.refuse(name, JSON.stringify(wanted));
    return wanted;
  }

  object(name: string): ObjectReader {
    const child = ObjectReader.of(this.value(name), `${this.path}.${name}`, this.code);
    this.#children.push(child);
    return child;
  }

  optionalObject(name: string): ObjectReader | undefined {
    return this.has(name) ? this.object(name) : undefined;
  }

  list<T>(
    name: string,
    limits: { readonly max?: number },
    read: (value: JsonValue, path: string) => T,
  ): readonly T[] {
    const value = this.value(name);
    const max = limits.max ?? MAX_LIST;
    if (!Array.isArray(value) || value.length > max) this.refuse(name, `a list of at most ${max}`);
    // Array.isArray widens a readonly list to any[].
    const items = value as readonly JsonValue[];
    return items.map((item, index) => read(item, `${this.path}.${name}[${index}]`));
  }

  /** A list of closed objects; each is ended after `read`. */
  objects<T>(
    name: string,
    limits: { readonly max?: number },
    read: (reader: ObjectReader) => T,
  ): readonly T[] {
    return this.list(name, limits, (value, path) => {
      const reader = ObjectReader.of(value, path, this.code);
      const out = read(reader);
      reader.end();
      return out;
    });
  }

  strings(name: string, limits: TextRule & { readonly maxItems?: number } = {}): readonly string[] {
    return this.list(name, { max: limits.maxItems ?? MAX_LIST }, (value) =>
      this.#text(name, value, limits),
    );
  }

  /** Throws the reader's error for this field: for rules that the reader does not know. */
  refuse(name: string, wanted: string): never {
    throw new TrustError(
      this.code,
      `cannot read ${this.path}.${name} ${quote(this.#fields[name])}: wanted ${wanted}`,
    );
  }

  /** Refuses fields that were not read, here and in the objects read from here. */
  end(): void {
    for (const name of Object.keys(this.#fields))
      if (!this.#read.has(name))
        throw new TrustError(this.code, `cannot read ${this.path}: unknown field ${quote(name)}`);
    for (const child of this.#children) child.end();
  }

  #text(name: string, value: JsonValue, rule: TextRule): string {
    const max = rule.max ?? MAX_TEXT;
    if (typeof value !== "string" || value.length > max)
      this.refuse(name, `text of at most ${max} characters`);
    if (rule.pattern !== undefined && !rule.pattern.test(value))
      this.refuse(name, `text that matches ${rule.pattern.source}`);
    return value;
  }

  #coded<T>(name: string, read: () => T): T {
    try {
      return read();
    } catch (cause) {
      if (cause instanceof CodedError && cause.code === this.code) throw cause;
      throw new TrustError(this.code, `cannot read ${this.path}.${name}`, { cause });
    }
  }
}
