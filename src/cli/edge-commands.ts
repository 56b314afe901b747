import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { call, operations } from "#http-api";
import { writeFileDurably } from "#platform";
import { CliError } from "./cli-error.ts";
import { print, table } from "./output.ts";
import type { OutputOptions } from "./output.ts";
import { address, controlCa } from "./profile.ts";

const KINDS = ["gateway", "runner", "broker"] as const;
/** Of a verb whose entry stands while an edge has not said that it keeps it. */
const UNACKNOWLEDGED = 7;

interface EnrolOptions extends OutputOptions {
  readonly kind: string;
  readonly name: string;
  readonly out: string;
  readonly url?: string;
  readonly control?: string;
  readonly ca?: string;
}

/** edge enrol, list, remove: gateways, runners and brokers of other machines. */
export function edgeCommands(program: Command): void {
  const edge = program
    .command("edge")
    .description("gateways, runners and brokers of other machines");
  edge
    .command("enrol")
    .description("write the file with which an edge of another machine joins this control (0600)")
    .requiredOption("--kind <kind>", KINDS.join(", "))
    .requiredOption("--name <name>", "what to call it")
    .requiredOption("--out <file>", "where to write it; bring it to <data>/edge/<kind>.json there")
    .option("--url <https://host:port>", "of a runner: where gateways reach it")
    .option("--control <url>", "where the edge reaches control; the profile's address unless told")
    .option(
      "--ca <file>",
      "PEM of the authorities of control's certificate; the profile's unless told",
    )
    .option("--json", "print JSON")
    .action(enrol);
  edge
    .command("list")
    .option("--json", "print JSON")
    .action(async (options: OutputOptions) => {
      const { items } = await call(await address(), operations.edgeList);
      print(options, { items }, () =>
        table(
          ["NAME", "KIND", "ID", "CONNECTED", "ADDRESS"],
          items.map(({ edge: row, connected }) => [
            row.name ?? "(this machine)",
            row.kind,
            row.id,
            connected ? "yes" : "no",
            row.url ?? "",
          ]),
        ),
      );
    });
  edge
    .command("remove <name>")
    .description("take an edge out: its token and its calls stop at once")
    .option("--json", "print JSON")
    .action(async (name: string, options: OutputOptions) => {
      const removed = await call(await address(), operations.edgeRemove, {
        params: { edge: name },
      });
      print(options, removed, () => [
        `removed ${removed.edge.kind} ${removed.edge.name ?? ""} (${removed.edge.id})`,
        ...removed.missing.map((missing) => `not acknowledged by ${missing}`),
      ]);
      if (removed.missing.length > 0) process.exitCode = UNACKNOWLEDGED;
    });
}

async function enrol(options: EnrolOptions): Promise<void> {
  const kind = KINDS.find((known) => known === options.kind);
  if (kind === undefined)
    throw new CliError(
      "usage",
      `cannot enrol a ${options.kind}: wanted one of ${KINDS.join(", ")}`,
    );
  const api = await address();
  const caFile = options.ca ?? (await controlCa());
  const ca = caFile === null ? null : await readFile(caFile, "utf8");
  const { name, url } = options;
  const made = await call(api, operations.edgeEnrol, {
    body: { kind, name, ...(url === undefined ? {} : { url: new URL(url).origin }) },
  });
  const { stateKey, trustRootKey, token: edgeToken, edge } = made;
  const control = options.control ?? api.url;
  const file = { url: control, ca, edge: edge.id, stateKey, trustRootKey, edgeToken };
  await writeFileDurably(options.out, JSON.stringify(file));
  print(options, { edge, file: options.out }, () => [
    `enrolled ${kind} ${name} (${edge.id})`,
    `wrote ${options.out}: bring it to <data>/edge/${kind}.json of that machine, and keep no copy`,
  ]);
}
