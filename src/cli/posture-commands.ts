import type { Command } from "commander";
import { CodedError } from "#trust";
import { call, operations } from "#http-api";
import type { ReplyOf } from "#http-api";
import { machineChecks } from "./machine-checks.ts";
import type { MachineCheck } from "./machine-checks.ts";
import { print, printable, table } from "./output.ts";
import type { OutputOptions } from "./output.ts";
import { address, localData } from "./profile.ts";

type Posture = ReplyOf<typeof operations.postureShow>;

/** posture, doctor */
export function postureCommands(program: Command): void {
  program
    .command("posture")
    .description("what this Caisson claims, each claim with its label and why it is no better")
    .option("--why", "the reasons below each line that is not Enforced")
    .option("--json", "print JSON")
    .action(async (options: OutputOptions & { why?: boolean }) => {
      const posture = await call(await address(), operations.postureShow);
      print(options, posture, () => postureLines(posture, options.why === true));
    });
  program
    .command("doctor")
    .description("this machine, and each isolation layer of what runs: on, off or not available")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExit status 1: something that claims rest on is off.")
    .action(async (options: OutputOptions) => {
      const machine = machineChecks(localData());
      const running = await runningChecks();
      const all = [...machine, ...(running ?? [])];
      const failing = all.filter(({ state, need }) => state === "off" && need === "required");
      if (failing.length > 0) process.exitCode = 1;
      print(options, { machine, running }, () => [
        ...doctorTable("THIS MACHINE", machine),
        "",
        ...(running === null
          ? ["Caisson does not run here: npm start, then ask again for its layers"]
          : doctorTable("WHAT RUNS", running)),
        "",
        ...todo(all),
      ]);
    });
}

/** Null where control does not answer. */
async function runningChecks(): Promise<Posture["checks"] | null> {
  try {
    return (await call(await address(), operations.postureShow)).checks;
  } catch (error) {
    const code = error instanceof CodedError ? error.code : "";
    if (code === "control.unreachable" || code === "profile.missing") return null;
    throw error;
  }
}

type Check = MachineCheck & { readonly process?: string };

function doctorTable(title: string, checks: readonly Check[]): string[] {
  return table(
    [title, "STATE", "WHAT"],
    checks.map(({ id, process: of, state, meaning }) => [
      of === undefined ? id : `${id} (${of})`,
      state === "not-available" ? "not available" : state,
      meaning,
    ]),
  );
}

function todo(checks: readonly Check[]): string[] {
  const open = checks.filter(({ state }) => state !== "on");
  if (open.length === 0) return ["nothing to do"];
  return open.flatMap(({ id, state, need, detail, remedy }) => [
    `${state === "off" && need === "required" ? "TO DO" : "could"}  ${id}${detail === "" ? "" : `: ${printable(detail)}`}`,
    `       ${remedy}`,
  ]);
}

/** As the reasons of a line say it where this clone has not run its tests. */
const NOT_RUN = "not run here";
const labels = ["Enforced", "Shipped", "Beta", "Partial / do-not-rely"];

function postureLines(posture: Posture, why: boolean): string[] {
  const { mode, source, tests, teeth, lines, checks } = posture;
  const rows = lines.map(({ label, id, sentence, why: reasons }) => [
    reasons.some((text) => text.includes(NOT_RUN)) ? `${label}, ${NOT_RUN}` : label,
    id,
    sentence,
  ]);
  const [header = "", ...said] = table(["LABEL", "ID", "WHAT"], rows);
  const notOn = checks.filter(({ state }) => state !== "on");
  return [
    `mode ${mode}, sources ${source.slice(0, 16)}, tests ${tests ?? "not run here"}, teeth ${teeth ?? "not run here"}`,
    labels
      .map((label) => `${lines.filter((line) => line.label === label).length} ${label}`)
      .join(", "),
    "",
    header,
    ...said.flatMap((line, i) => [
      line,
      ...(why ? (lines[i]?.why ?? []).map((text) => `    ${text}`) : []),
    ]),
    "",
    ...(notOn.length === 0
      ? ["every self-check is on"]
      : table(
          ["SELF-CHECK", "OF", "STATE", "FOUND"],
          notOn.map(({ id, process, state, detail }) => [id, process, state, detail]),
        )),
  ];
}
