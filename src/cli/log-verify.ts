import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { writeFileDurably } from "#platform";
import { CliError } from "./cli-error.ts";
import { print } from "./output.ts";
import type { OutputOptions } from "./output.ts";
import { checkLogAt } from "./check-log-at.ts";

/** Trusts no server: every entry is hashed again, every tile compared, the checkpoint held against the last one seen here. */
export function logVerify(program: Command): void {
  program
    .command("log")
    .description("transparency logs")
    .command("verify <folder-or-url>")
    .description("check a whole log against its key and the checkpoint seen last")
    .requiredOption(
      "--vkey <key>",
      "the log's verifier key (name+hash+key), or a file that holds it",
    )
    .option("--known <file>", "where the last good checkpoint is kept; made where absent")
    .option("--json", "print JSON")
    .action(async (place: string, options: OutputOptions & { vkey: string; known?: string }) => {
      const vkey = options.vkey.includes("+")
        ? options.vkey
        : (await readFile(options.vkey, "utf8")).trim();
      const known =
        options.known === undefined
          ? undefined
          : await readFile(options.known).catch(() => undefined);
      const report = await checkLogAt(place, vkey, known).catch((cause: unknown) => {
        throw new CliError(
          "log.invalid",
          `the log at ${place} does not hold: ${(cause as Error).message}`,
          { cause },
        );
      });
      if (options.known !== undefined) {
        await mkdir(dirname(join(process.cwd(), options.known)), { recursive: true });
        await writeFileDurably(options.known, report.checkpoint);
      }
      print(options, { origin: report.origin, size: report.size, root: report.root }, () => [
        `${report.origin} holds: ${report.size} entries, root ${report.root}`,
      ]);
    });
}
