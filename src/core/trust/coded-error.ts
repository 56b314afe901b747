/**
 * Base of every error that a caller may act on. `code` is dotted `area.reason` out of a closed union per domain;
 * the message says action, quoted value and wanted state, and never repeats the message of its `cause`.
 */
export abstract class CodedError<C extends string> extends Error {
  readonly code: C;

  constructor(code: C, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const QUOTE_CHARS = 96;

/**
 * Writes an attacker-controlled value into a message: JSON-quoted, at most `max` characters (then `…`), and with every
 * control, bidirectional and separator character escaped, so that it can neither break a log line nor hide its text.
 */
export function quote(value: unknown, max: number = QUOTE_CHARS): string {
  const text = typeof value === "string" ? value : describe(value);
  const cut = text.length > max ? `${text.slice(0, max)}…` : text;
  return JSON.stringify(cut).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

function describe(value: unknown): string {
  if (value === null || typeof value === "number" || typeof value === "boolean")
    return String(value);
  if (typeof value === "bigint") return value.toString();
  return Array.isArray(value) ? "list" : typeof value;
}
