import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

const CAISSON = fileURLToPath(new URL("../../caisson", import.meta.url));
const LONGEST_MS = 110_000;

export interface CliRun {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
  /** Standard output as JSON; undefined where it is none. */
  readonly json: unknown;
}

/** Runs the command line as its users do, with nothing of this process's own settings for Caisson. */
export function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): Promise<CliRun> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("CAISSON_"));
  return new Promise((resolve) => {
    const options = {
      env: { ...Object.fromEntries(own), ...env },
      timeout: LONGEST_MS,
      ...(cwd === undefined ? {} : { cwd }),
    };
    execFile(CAISSON, args, options, (error, out, err) => {
      const exit = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ exit, out, err, json: parse(out) });
    });
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
