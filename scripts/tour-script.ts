/** A command of the README and what it shows below it. */
export interface TourStep {
  readonly command: string;
  /** Lines as the README has them; `…` stands for anything within a line, alone on a line for any lines. */
  readonly expected: readonly string[];
}

/** Typed without a prompt, as terminals show it. */
export const INTERRUPT = "^C";

/** Blocks of ```console: lines that begin with "$ " are typed, the others are what they print. */
export function readTour(markdown: string): TourStep[] {
  const blocks = [...markdown.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(
    ([, text = ""]) => text,
  );
  const steps: { command: string; expected: string[] }[] = [];
  for (const line of blocks.flatMap((block) => block.split("\n").slice(0, -1)))
    if (line === INTERRUPT) steps.push({ command: line, expected: [] });
    else if (line.startsWith("$ "))
      steps.push({ command: uncommented(line.slice(2)), expected: [] });
    else steps.at(-1)?.expected.push(line);
  for (const { expected } of steps) while (expected.at(-1) === "") expected.pop();
  return steps;
}

function uncommented(command: string): string {
  return command.replace(/\s+#\s.*$/, "");
}

/** Whether the output is what the README shows, spaces at ends and runs of spaces aside. */
export function shows(expected: readonly string[], output: string): boolean {
  return pattern(expected, "$").test(normal(output));
}

/** Whether the output so far begins as the README shows: for a command that goes on. */
export function begins(expected: readonly string[], output: string): boolean {
  return pattern(expected, "").test(normal(output));
}

function pattern(expected: readonly string[], end: string): RegExp {
  const lines = expected.map((line) =>
    line.trim() === "…"
      ? "(?:[^\\n]*\\n)*?"
      : `${escaped(normal(line)).replaceAll("…", "[^\\n]*")}\\n`,
  );
  return new RegExp(`^${lines.join("")}${end}`);
}

function normal(text: string): string {
  const lines = text.split("\n").map((line) => line.replaceAll(/[ \t]+/g, " ").trim());
  return lines.join("\n");
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
