import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { configOverBound, limits } from "#contract";
import type { ConfigValues } from "#contract";
import { CliError } from "./cli-error.ts";

export interface ConfigOptions {
  readonly config?: readonly string[];
  readonly configFile?: string;
}

/** `--config name=value`, as often as needed, and `--config-file`; no place for secrets: values are in the signed grant. */
export function withConfig(command: Command): Command {
  const collect = (text: string, before: readonly string[] = []) => [...before, text];
  return command
    .option(
      "--config <name=value>",
      "set a name that caisson.json declares; not for secrets",
      collect,
    )
    .option("--config-file <file>", "set names from a file that holds a JSON object of texts");
}

/** Undefined where neither option is given. Throws CliError "usage" with the name. */
export async function configOf({
  config,
  configFile,
}: ConfigOptions): Promise<ConfigValues | undefined> {
  if (config === undefined && configFile === undefined) return undefined;
  const values = { ...(configFile === undefined ? {} : await readValues(configFile)) };
  for (const pair of config ?? []) {
    const at = pair.indexOf("=");
    if (at < 1)
      throw new CliError("usage", `cannot set ${JSON.stringify(pair)}: wanted name=value`);
    values[pair.slice(0, at)] = pair.slice(at + 1);
  }
  const over = configOverBound(values);
  if (over !== null) throw new CliError("usage", `cannot set config: wanted ${over}`);
  return values;
}

async function readValues(file: string): Promise<Record<string, string>> {
  const text = await readFile(file, "utf8");
  const value = text.length > 4 * limits.configValuesBytes.value ? null : parsed(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new CliError("usage", `cannot read ${file}: wanted a JSON object of texts`);
  return Object.fromEntries(
    Object.entries(value).map(([name, item]: [string, unknown]) => {
      if (typeof item !== "string")
        throw new CliError("usage", `cannot read ${file}: ${name} is no text`);
      return [name, item];
    }),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
