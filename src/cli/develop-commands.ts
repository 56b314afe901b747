import { resolve } from "node:path";
import type { Command } from "commander";
import { develop, runTests } from "#kit";
import type { CaseResult, DevEvent } from "#kit";
import { configOf, withConfig } from "./config-option.ts";
import type { ConfigOptions } from "./config-option.ts";
import { CliError } from "./cli-error.ts";
import { print, printable, printableLines, progress } from "./output.ts";
import type { OutputOptions } from "./output.ts";

const PORT = 8_710;
const LOCAL = "development: unsigned code, this machine only, keys made for this run";

/** dev, test: an extension on the author's own machine, without a control. */
export function developCommands(program: Command): void {
  withConfig(program.command("dev [folder]"))
    .description(
      "build, run and serve an extension on loopback, again after every save; calls and logs are printed",
    )
    .option("--port <n>", "where to listen; 0 for any", String(PORT))
    .option("--json", "print one JSON object per line")
    .action(async (folder = ".", options: OutputOptions & ConfigOptions & { port: string }) => {
      progress(LOCAL);
      const tell = (event: DevEvent) => print(options, event, () => linesOf(event));
      await develop({
        folder: resolve(folder),
        port: portOf(options.port),
        config: (await configOf(options)) ?? {},
        signal: untilStopped(),
        tell,
      });
    });
  withConfig(program.command("test [folder]"))
    .description(
      "make the calls of test/*.test.json in the sandbox, under the limits of caisson.json, and compare the answers",
    )
    .option("--json", "print JSON")
    .action(async (folder = ".", options: OutputOptions & ConfigOptions) => {
      progress(LOCAL);
      const show = (result: CaseResult) => {
        if (options.json !== true) process.stdout.write(`${caseLines(result).join("\n")}\n`);
      };
      const config = (await configOf(options)) ?? {};
      const cases = await runTests(resolve(folder), config, progress, show);
      const failed = cases.filter(({ differences }) => differences.length > 0).length;
      const passed = cases.length - failed;
      print(options, { passed, failed, cases }, () => [`${passed} passed, ${failed} failed`]);
      if (failed > 0) process.exitCode = 1;
    });
}

function portOf(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new CliError("usage", `cannot listen on port ${text}: wanted a number from 0 to 65535`);
  return port;
}

/** Aborts at the first SIGINT or SIGTERM; a second one ends the process at once. */
function untilStopped(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}

function linesOf(event: DevEvent): string[] {
  switch (event.kind) {
    case "building":
      return ["building"];
    case "remark":
      return [`note: ${event.text}`];
    case "failed":
      return [
        `failed: ${printableLines(event.message)}`,
        event.serving ? "the last build that worked goes on serving" : "nothing serves yet",
      ];
    case "serving":
      return [`serving ${event.url}/ ${event.digest} (${event.tookMs} ms)`];
    case "call":
      return [
        `${event.method} ${printable(event.path)} ${event.status} ${event.ms} ms ${event.code}`.trimEnd(),
      ];
    case "log":
      return [`  ${event.level.padEnd(5)} ${printableLines(event.text)}`];
    default:
      return event satisfies never;
  }
}

function caseLines({ file, name, differences, logs }: CaseResult): string[] {
  const mark = differences.length === 0 ? "ok" : "NOT OK";
  return [
    `${mark} ${file}: ${printable(name)}`,
    ...differences.map((text) => `  ${printable(text)}`),
    ...logs.map((line) => `  log ${printableLines(line)}`),
  ];
}
