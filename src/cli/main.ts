import { Command, CommanderError } from "commander";
import { errors, isErrorCode } from "#contract";
import { ApiError } from "#http-api";
import { CodedError } from "#trust";
import { authorCommands } from "./author-commands.ts";
import { developCommands } from "./develop-commands.ts";
import { demoRefusal } from "./demo-refusal.ts";
import { edgeCommands } from "./edge-commands.ts";
import { evidenceCommands } from "./evidence-commands.ts";
import { fenceCommands } from "./fence-commands.ts";
import { invokeCommand } from "./invoke.ts";
import { logVerify } from "./log-verify.ts";
import { operatorCommands } from "./operator-commands.ts";
import { postureCommands } from "./posture-commands.ts";
import { printable, reasonTree } from "./output.ts";
import { tenantCommands } from "./tenant-commands.ts";

const USAGE = 2;
const OURS = 6;
/** Codes that only the command line has: what it was told is wrong, or nobody answered. */
const OWN_EXITS: Readonly<Record<string, number>> = {
  usage: USAGE,
  "profile.missing": USAGE,
  "file.unreadable": USAGE,
  "file.unwritable": USAGE,
  "test.failed": 1,
  "evidence.malformed": 1,
  "control.unreachable": 5,
  "runner.unreachable": 5,
};

async function main(argv: readonly string[]): Promise<number> {
  const program = new Command("caisson")
    .description("runs code its operator did not write, so that nothing runs unproven")
    .version("0.1.0", "--caisson-version")
    .exitOverride();
  authorCommands(program);
  developCommands(program);
  tenantCommands(program);
  invokeCommand(program);
  operatorCommands(program);
  fenceCommands(program);
  edgeCommands(program);
  postureCommands(program);
  evidenceCommands(program);
  logVerify(program);
  demoRefusal(program);
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync([...argv], { from: "user" });
    // A command that did its work may still have something to say by its exit status.
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return explainFailure(error, argv.includes("--json"));
  }
}

/** One line for people, the reasons below it; JSON on request. Returns the exit status of the catalogue. */
function explainFailure(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
  const code = error instanceof CodedError ? String(error.code) : "internal.error";
  const reasons = error instanceof ApiError && Array.isArray(error.reasons) ? error.reasons : [];
  const message = error instanceof Error ? error.message : String(error);
  if (json) process.stdout.write(`${JSON.stringify({ code, message, reasons })}\n`);
  else
    process.stderr.write(
      `${[`caisson: ${printable(message)} [${code}]`, ...reasonTree(reasons, "  ")].join("\n")}\n`,
    );
  if (isErrorCode(code)) return errors[code].exit;
  return error instanceof CodedError ? (OWN_EXITS[code] ?? 1) : OURS;
}

process.exitCode = await main(process.argv.slice(2));
