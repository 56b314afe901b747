export interface OutputOptions {
  readonly json?: boolean;
}

/** One JSON document with --json, lines for people otherwise. */
export function print(
  options: OutputOptions,
  value: unknown,
  lines: () => readonly string[],
): void {
  process.stdout.write(
    options.json === true ? `${JSON.stringify(value)}\n` : `${lines().join("\n")}\n`,
  );
}

export function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Columns as wide as their widest cell. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? "").length)),
  );
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

interface ReasonLike {
  readonly step: string;
  readonly code: string;
  readonly outcome: string;
  readonly detail: string;
  readonly children: readonly unknown[];
}

const MARK: Readonly<Record<string, string>> = { allow: "ok ", ask: "ask", deny: "NO " };

/** A verdict's reasons as a tree. Details come from what was judged: control characters are taken out. */
export function reasonTree(reasons: readonly unknown[], indent = ""): string[] {
  return reasons.flatMap((value) => {
    const reason = value as ReasonLike; // the server's reply schema
    return [
      `${indent}${MARK[reason.outcome] ?? "?  "} ${reason.step}: ${reason.code}  ${printable(reason.detail)}`,
      ...reasonTree(reason.children, `${indent}    `),
    ];
  });
}

export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- what a terminal would obey is what is taken out
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
}

/** Text of several lines: what follows the first is set apart, so that it cannot pass for a line of its own. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n    | ");
}
