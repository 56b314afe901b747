import { quote } from "./coded-error.ts";
import { readUtf8 } from "./encodings.ts";
import { TrustError } from "./trust-error.ts";
import type { TrustCode } from "./trust-error.ts";

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [key: string]: JsonValue | undefined };

/** Nesting of lists and objects; stops: stack exhaustion in whatever walks the value afterwards. */
export const MAX_JSON_DEPTH = 64;

export interface JsonLimits {
  /** Bound on the input, checked before anything is read. */
  readonly maxBytes: number;
  readonly maxDepth?: number;
}

/**
 * Parses one I-JSON document (RFC 8259, RFC 7493). bytes: attacker-controlled.
 * Refused beyond the grammar: more than maxBytes ("json.too-large"), more than maxDepth levels ("json.too-deep"), a name
 * used twice in an object ("json.duplicate-key"), `__proto__` as a name ("json.forbidden-key"), integers beyond ±(2^53−1)
 * and numbers that are not finite ("json.number"), lone surrogates ("json.surrogate"), invalid UTF-8 ("utf8.malformed"),
 * a byte order mark or anything after the value ("json.syntax").
 */
export function parseStrictJson(bytes: Uint8Array, limits: JsonLimits): JsonValue {
  if (bytes.length > limits.maxBytes)
    throw new TrustError(
      "json.too-large",
      `cannot parse ${bytes.length} bytes of JSON: wanted at most ${limits.maxBytes}`,
    );
  const parser = new Parser(readUtf8(bytes), limits.maxDepth ?? MAX_JSON_DEPTH);
  return parser.document();
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const INTEGER = /^-?[0-9]+$/;
const PLAIN_STRING = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class Parser {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  document(): JsonValue {
    this.#space();
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) this.#fail("json.syntax", "wanted the end of the document");
    return value;
  }

  #value(depth: number): JsonValue {
    const char = this.#text[this.#at];
    if (char === "{" || char === "[") {
      if (depth >= this.#maxDepth)
        this.#fail("json.too-deep", `wanted at most ${this.#maxDepth} levels`);
      return char === "{" ? this.#object(depth + 1) : this.#list(depth + 1);
    }
    if (char === '"') return this.#string();
    if (char === "t") return this.#word("true", true);
    if (char === "f") return this.#word("false", false);
    if (char === "n") return this.#word("null", null);
    return this.#number();
  }

  #object(depth: number): JsonObject {
    const out: Record<string, JsonValue> = {};
    this.#at++;
    this.#space();
    if (this.#take("}")) return out;
    for (;;) {
      if (this.#text[this.#at] !== '"') this.#fail("json.syntax", "wanted a name");
      const name = this.#string();
      // A name of this kind would set the prototype of whatever object it is copied into.
      if (name === "__proto__") this.#fail("json.forbidden-key", 'wanted no name "__proto__"');
      if (Object.hasOwn(out, name))
        this.#fail("json.duplicate-key", `wanted the name ${quote(name)} once`);
      this.#space();
      if (!this.#take(":")) this.#fail("json.syntax", 'wanted ":"');
      this.#space();
      out[name] = this.#value(depth);
      this.#space();
      if (this.#take("}")) return out;
      if (!this.#take(",")) this.#fail("json.syntax", 'wanted "," or "}"');
      this.#space();
    }
  }

  #list(depth: number): readonly JsonValue[] {
    const out: JsonValue[] = [];
    this.#at++;
    this.#space();
    if (this.#take("]")) return out;
    for (;;) {
      out.push(this.#value(depth));
      this.#space();
      if (this.#take("]")) return out;
      if (!this.#take(",")) this.#fail("json.syntax", 'wanted "," or "]"');
      this.#space();
    }
  }

  #string(): string {
    const start = this.#at++;
    let out = "";
    for (;;) {
      PLAIN_STRING.lastIndex = this.#at;
      const plain = PLAIN_STRING.exec(this.#text)?.[0] ?? "";
      out += plain;
      this.#at += plain.length;
      if (this.#take('"')) break;
      if (!this.#take("\\"))
        this.#fail("json.syntax", "wanted a string without control characters, closed");
      out += this.#escape();
    }
    if (!out.isWellFormed()) {
      this.#at = start;
      this.#fail("json.surrogate", "wanted surrogates in pairs");
    }
    return out;
  }

  #escape(): string {
    const char = this.#text[this.#at++] ?? "";
    const plain = ESCAPES[char];
    if (plain !== undefined && Object.hasOwn(ESCAPES, char)) return plain;
    const hex = this.#text.slice(this.#at, this.#at + 4);
    if (char !== "u" || !/^[0-9a-fA-F]{4}$/.test(hex))
      this.#fail("json.syntax", "wanted a known escape");
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const token = NUMBER.exec(this.#text)?.[0];
    if (token === undefined) this.#fail("json.syntax", "wanted a value");
    const value = Number(token);
    if (!Number.isFinite(value) || (INTEGER.test(token) && !Number.isSafeInteger(value)))
      this.#fail("json.number", `wanted a number that a double holds, not ${quote(token)}`);
    this.#at += token.length;
    return value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail("json.syntax", "wanted a value");
    this.#at += word.length;
    return value;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    for (;;) {
      const char = this.#text[this.#at];
      if (char !== " " && char !== "\n" && char !== "\r" && char !== "\t") return;
      this.#at++;
    }
  }

  #fail(code: TrustCode, wanted: string): never {
    throw new TrustError(code, `cannot parse JSON at character ${this.#at}: ${wanted}`);
  }
}
