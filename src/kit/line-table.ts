/** What a bundle's source map says, by line: from which column on the text stands in which source and line. */
export interface LineTable {
  readonly files: readonly string[];
  /** By line of the bundle, from 0. */
  readonly lines: readonly (readonly LinePart[])[];
}

interface LinePart {
  readonly column: number;
  readonly file: number;
  /** From 1. */
  readonly line: number;
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/**
 * Reads a source map (ECMA-426) as far as lines go; sources that `keep` refuses, and parts that stay on the same source line, are left out.
 * map: made by the bundler.
 */
export function readLineTable(map: string, keep: (source: string) => boolean): LineTable {
  const { sources, mappings } = JSON.parse(map) as { sources: string[]; mappings: string }; // esbuild's own
  const kept = sources.filter(keep);
  let [source, line] = [0, 0];
  const lines = mappings.split(";").map((text) => {
    let column = 0;
    const parts: LinePart[] = [];
    for (const segment of text === "" ? [] : text.split(",")) {
      const [columns = 0, sourceBy = 0, lineBy = 0] = readVlq(segment);
      column += columns;
      source += sourceBy;
      line += lineBy;
      const file = kept.indexOf(sources[source] ?? "");
      const last = parts.at(-1);
      if (file !== -1 && !(last?.file === file && last.line === line + 1))
        parts.push({ column, file, line: line + 1 });
    }
    return parts;
  });
  return { files: kept, lines };
}

/** As `sdk/guest/report.js` reads it. */
export function writeLineTable({ files, lines }: LineTable): string {
  const rows = lines.map((parts) =>
    parts
      .map(({ column, file, line }) => [column, file, line].map((n) => n.toString(36)).join("."))
      .join(","),
  );
  return [files.map((name) => name.replaceAll(/[|;]/g, "_")).join("|"), ...rows].join(";");
}

/** Puts sources and lines where a text of the engine names places of the bundle. */
export function withSourceLines(text: string, { files, lines }: LineTable): string {
  return text.replaceAll(/componentize-qjs:user\.js:(\d+):(\d+)/g, (place, line, column) => {
    const parts = lines[Number(line) - 1] ?? [];
    const found = parts.findLast((part) => part.column < Number(column)) ?? parts[0];
    return found === undefined ? place : `${files[found.file] ?? ""}:${found.line}`;
  });
}

/** Base64 VLQ: five bits a digit, lowest first; the lowest bit of the number is its sign. */
function readVlq(segment: string): number[] {
  const numbers: number[] = [];
  let [value, shift] = [0, 0];
  for (const digit of segment) {
    const bits = BASE64.indexOf(digit);
    value += (bits & 31) << shift;
    shift += 5;
    if (bits >= 32) continue;
    numbers.push(value & 1 ? -(value >>> 1) : value >>> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}
