import { readFile, stat } from "node:fs/promises";
import { createPublicKey } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { ObjectReader, parseStrictJson, parseVerifierKey, PublicKey } from "#trust";
import { MAX_EVIDENCE_BYTES, parseEvidence, parseToolchainImports } from "#contract";
import { CliError } from "./cli-error.ts";
import { print, printable } from "./output.ts";
import type { OutputOptions } from "./output.ts";
import { replayEvidence } from "./replay-evidence.ts";
import type { Pins } from "./replay-evidence.ts";

const TOOLCHAIN_IMPORTS = fileURLToPath(
  new URL("../../sdk/wit/toolchain-imports.txt", import.meta.url),
);
const MAX_PINS_BYTES = 65_536;

/** verify */
export function evidenceCommands(program: Command): void {
  program
    .command("verify <evidence-file>")
    .description(
      "judge again, offline, what a verdict says: signatures, logs, digests, imports, grant",
    )
    .requiredOption("--pins <file>", "the operator's public keys (caisson trust pins)")
    .option("--json", "print JSON")
    .action(async (file: string, options: OutputOptions & { pins: string }) => {
      const evidence = await readParsed(file, MAX_EVIDENCE_BYTES, parseEvidence);
      const pins = await readParsed(options.pins, MAX_PINS_BYTES, parsePins);
      const toolchain = parseToolchainImports(await readFile(TOOLCHAIN_IMPORTS, "utf8"));
      const lines = replayEvidence(evidence, pins, toolchain);
      const holds = lines.every(({ ok }) => ok);
      if (!holds) process.exitCode = 1;
      print(options, { holds, lines }, () => [
        ...lines.map(
          ({ how, what, ok, detail }) =>
            `${ok ? "ok " : "NO "} ${how.padEnd(8)} ${what}: ${printable(detail)}`,
        ),
        holds ? "the evidence holds" : "the evidence does not hold",
      ]);
    });
}

async function readParsed<T>(
  file: string,
  maxBytes: number,
  parse: (bytes: Uint8Array) => T,
): Promise<T> {
  const found = await stat(file).catch((cause: unknown) => {
    throw new CliError("file.unreadable", `cannot read ${file}`, { cause });
  });
  if (found.size > maxBytes)
    throw new CliError("file.unreadable", `cannot read ${file}: over ${maxBytes} bytes`);
  try {
    return parse(await readFile(file));
  } catch (cause) {
    throw new CliError("evidence.malformed", `cannot read ${file}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function parsePins(bytes: Uint8Array): Pins {
  const reader = ObjectReader.of(parseStrictJson(bytes, { maxBytes: MAX_PINS_BYTES }), "pins");
  reader.literal("v", 1);
  const key = (name: string) => PublicKey.fromKeyObject(createPublicKey(reader.string(name)));
  const pins = {
    trustRootKey: key("trustRootKey"),
    verdictKey: key("verdictKey"),
    stateKey: key("stateKey"),
    auditLog: parseVerifierKey(reader.string("auditLog")),
  };
  reader.end();
  return pins;
}
