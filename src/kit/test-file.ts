import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ObjectReader, parseStrictJson } from "#trust";
import type { JsonValue } from "#trust";
import { KitError } from "./kit-error.ts";

const [MAX_FILES, MAX_FILE_BYTES, MAX_CASES, MAX_TEXT] = [100, 1 << 20, 1_000, 1 << 20];
const END = ".test.json";

/** One call and what its answer must be. */
export interface TestCase {
  readonly file: string;
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: readonly (readonly [name: string, value: string])[];
    readonly body: string | null;
  };
  readonly expect: Expectation;
}

/** Null: not looked at. */
export interface Expectation {
  readonly status: number | null;
  /** The error code of a call that must not end well. */
  readonly code: string | null;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | null;
  readonly contains: string | null;
  readonly json: { readonly value: JsonValue } | null;
  /** Each must be part of a line that the call logged. */
  readonly logs: readonly string[];
}

/** Reads `<folder>/test/*.test.json`. Throws KitError "test.invalid" with the file and the field. */
export async function readTestFiles(folder: string): Promise<TestCase[]> {
  const names = (await readdir(join(folder, "test")).catch(() => []))
    .filter((name) => name.endsWith(END))
    .toSorted();
  if (names.length === 0 || names.length > MAX_FILES)
    throw new KitError(
      "test.invalid",
      `cannot test ${folder}: wanted 1 to ${MAX_FILES} files test/*${END}, found ${names.length}`,
    );
  const cases = [];
  for (const name of names) cases.push(...(await readTestFile(folder, `test/${name}`)));
  return cases;
}

async function readTestFile(folder: string, file: string): Promise<readonly TestCase[]> {
  try {
    const bytes = await readFile(join(folder, file));
    const reader = ObjectReader.of(parseStrictJson(bytes, { maxBytes: MAX_FILE_BYTES }), "test");
    const cases = reader.objects("cases", { max: MAX_CASES }, (one) => readCase(file, one));
    reader.end();
    return cases;
  } catch (cause) {
    throw new KitError("test.invalid", `cannot read ${file}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function readCase(file: string, reader: ObjectReader): TestCase {
  const request = reader.object("request");
  const expect = reader.object("expect");
  return {
    file,
    name: reader.string("name", { max: 200 }),
    request: readRequest(request),
    expect: readExpectation(expect),
  };
}

function readRequest(reader: ObjectReader): TestCase["request"] {
  const text = reader.optionalString("body", { max: MAX_TEXT });
  const json = reader.has("json") ? reader.value("json") : undefined;
  if (text !== undefined && json !== undefined) reader.refuse("json", "either body or json");
  return {
    method: reader.optionalString("method", { pattern: /^[A-Z]{1,16}$/ }) ?? "GET",
    path: reader.string("path", { pattern: /^\/.{0,8000}$/ }),
    headers: readHeaders(reader),
    body: json === undefined ? (text ?? null) : JSON.stringify(json),
  };
}

function readExpectation(reader: ObjectReader): Expectation {
  return {
    status: reader.has("status") ? reader.integer("status", { min: 100, max: 599 }) : null,
    code: reader.optionalString("code", { max: 64 }) ?? null,
    headers: readHeaders(reader),
    body: reader.optionalString("body", { max: MAX_TEXT }) ?? null,
    contains: reader.optionalString("contains", { max: MAX_TEXT }) ?? null,
    json: reader.has("json") ? { value: reader.value("json") } : null,
    logs: reader.has("logs") ? reader.strings("logs", { max: 65_536, maxItems: 256 }) : [],
  };
}

/** As an object of texts; names in any case. */
function readHeaders(reader: ObjectReader): (readonly [string, string])[] {
  if (!reader.has("headers")) return [];
  const value = reader.value("headers");
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return reader.refuse("headers", "an object of header names and texts");
  return Object.entries(value).map(([name, text]) =>
    typeof text === "string"
      ? [name.toLowerCase(), text]
      : reader.refuse("headers", "an object of header names and texts"),
  );
}
