import type { ObjectReader } from "#trust";
import { limits } from "./limits.ts";

/** A name that an extension's manifest declares for its tenants to set (capability `config`). */
export interface ConfigDeclaration {
  readonly name: string;
  /** Holds where the tenant sets nothing. */
  readonly default: string | null;
  /** An install without a value is refused. */
  readonly required: boolean;
}

/** By name. What a tenant set, not what the manifest's defaults add. */
export type ConfigValues = Readonly<Record<string, string>>;

const NAME = /^[a-z][a-z0-9._-]{0,63}$/;

/** Reads a list of `{name, default?, required?}` under `name`; a name comes once, and is not both required and given a default. */
export function readDeclarations(reader: ObjectReader, name: string): readonly ConfigDeclaration[] {
  const declared = reader.objects(name, { max: limits.configKeys.value }, (item) => {
    const read = {
      name: item.string("name", { pattern: NAME }),
      default: item.optionalString("default", { max: limits.configValueBytes.value }) ?? null,
      required: item.has("required") ? item.boolean("required") : false,
    };
    if (read.required && read.default !== null) item.refuse("required", "no default beside it");
    return read;
  });
  if (new Set(declared.map((one) => one.name)).size !== declared.length)
    reader.refuse(name, "each name once");
  const defaults = declared.flatMap((one) =>
    one.default === null ? [] : [[one.name, one.default]],
  );
  const over = configOverBound(Object.fromEntries(defaults) as ConfigValues); // names and texts
  if (over !== null) reader.refuse(name, over);
  return declared;
}

/** Reads an object of texts under `name`. */
export function readConfigValues(reader: ObjectReader, name: string): ConfigValues {
  const value = reader.value(name);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return reader.refuse(name, "an object of texts");
  const values: Record<string, string> = {};
  for (const [key, text] of Object.entries(value))
    values[key] =
      typeof text === "string" && NAME.test(key) ? text : reader.refuse(name, "an object of texts");
  const over = configOverBound(values);
  return over === null ? values : reader.refuse(name, over);
}

/** Null within the bounds of names, values and all of them; else the bound. values: attacker-controlled. */
export function configOverBound(values: ConfigValues): string | null {
  const entries = Object.entries(values);
  const { configKeys, configValueBytes, configValuesBytes } = limits;
  if (entries.length > configKeys.value) return `at most ${configKeys.value} names`;
  const large = entries.find(([, value]) => Buffer.byteLength(value) > configValueBytes.value);
  if (large !== undefined) return `${large[0]} of at most ${configValueBytes.value} bytes`;
  const bytes = entries.reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
    0,
  );
  return bytes > configValuesBytes.value
    ? `at most ${configValuesBytes.value} bytes of names and values`
    : null;
}

/** What a guest sees, in the order of the declarations: the tenant's values, the manifest's defaults for the rest. */
export function configFor(
  declared: readonly ConfigDeclaration[],
  given: ConfigValues,
): readonly (readonly [name: string, value: string])[] {
  return declared.flatMap(({ name, default: fallback }) => {
    const value = Object.hasOwn(given, name) ? (given[name] ?? null) : fallback;
    return value === null ? [] : [[name, value] as const];
  });
}
