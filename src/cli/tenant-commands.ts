import type { Command } from "commander";
import { ApiError, call, operations } from "#http-api";
import type { ApiAddress } from "#http-api";
import { writeFileDurably } from "#platform";
import { configOf, withConfig } from "./config-option.ts";
import type { ConfigOptions } from "./config-option.ts";
import { CliError } from "./cli-error.ts";
import { print, printable, printableLines, progress, reasonTree, table } from "./output.ts";
import type { OutputOptions } from "./output.ts";
import { address, tenantOf } from "./profile.ts";

const BUILD_MS = 120_000;
const RECORD_MS = 2_000;
const RECORD_LOOK_MS = 100;

interface TenantOptions extends OutputOptions {
  readonly tenant?: string;
}

interface InstallOptions extends TenantOptions, ConfigOptions {
  readonly version?: string;
  readonly capabilities?: string;
  readonly egress?: string;
  readonly memoryBytes?: string;
  readonly deadlineMs?: string;
  readonly fuel?: string;
  readonly rollback?: boolean;
}

/** install, uninstall, list, status, invoke, logs, explain: the tenant's day. */
export function tenantCommands(program: Command): void {
  const withTenant = (command: Command) =>
    command
      .option("--tenant <name or id>", "the tenant; not needed with a tenant's own key")
      .option("--json", "print JSON");
  withConfig(withTenant(program.command("install <extension>")))
    .description("install an admitted version and wait until it runs; prints the verdict")
    .option("--version <version>", "newest unless told")
    .option(
      "--capabilities <names>",
      "grant only these, comma-separated; all that it asks for unless told",
    )
    .option(
      "--egress <origins>",
      "let http.fetch reach only these, comma-separated; all that it asks for unless told",
    )
    .option("--memory-bytes <n>", "grant less memory than it asks for")
    .option("--deadline-ms <n>", "grant less time than it asks for")
    .option("--fuel <n>", "grant less fuel than it asks for")
    .option("--rollback", "go back to an older version on purpose")
    .action(install);
  withTenant(program.command("uninstall <extension>"))
    .description("remove an install")
    .action(async (extension: string, options: TenantOptions) => {
      const api = await address();
      const removed = await call(api, operations.uninstall, {
        params: { tenant: await tenantOf(api, options.tenant), extension },
      });
      print(options, removed, () => [`removed ${extension}`]);
    });
  withTenant(program.command("list"))
    .description("installs of a tenant")
    .action(async (options: TenantOptions) => {
      const api = await address();
      const { items } = await call(api, operations.installList, {
        params: { tenant: await tenantOf(api, options.tenant) },
      });
      print(options, { items }, () =>
        table(
          ["EXTENSION", "VERSION", "STATE", "CONTENT HASH"],
          items.map((row) => [row.extension, row.version, row.state, row.contentHash]),
        ),
      );
    });
  withTenant(program.command("status <extension>"))
    .description("one install: state, version, hash, verdict")
    .action(async (extension: string, options: TenantOptions) => {
      const api = await address();
      const found = await call(api, operations.installShow, {
        params: { tenant: await tenantOf(api, options.tenant), extension },
      });
      print(options, found, () =>
        Object.entries({ ...found, config: settingsOf(found.config) }).map(
          ([name, value]) => `${name.padEnd(12)} ${printable(String(value ?? ""))}`,
        ),
      );
    });
  withTenant(program.command("logs [extension]"))
    .description("guest log lines, newest last")
    .option("--limit <n>", "at most so many", "100")
    .action(async (extension: string | undefined, options: TenantOptions & { limit: string }) => {
      const api = await address();
      const query = { limit: options.limit, ...(extension === undefined ? {} : { extension }) };
      const { items } = await call(api, operations.logList, {
        params: { tenant: await tenantOf(api, options.tenant) },
        query,
      });
      print(options, { items }, () =>
        items.map(
          (line) =>
            `${line.at} ${line.level.padEnd(5)} ${line.extension} ${printableLines(line.message)}`,
        ),
      );
    });
  withTenant(program.command("explain <request-or-verdict-id>"))
    .description(
      "why: the tree of a verdict, or a request's execution, its install's verdict and its log lines",
    )
    .option("--evidence <file>", "write a file that caisson verify judges again on another machine")
    .action(explain);
}

function settingsOf(config: Readonly<Record<string, string>>): string {
  return Object.entries(config)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

async function install(extension: string, options: InstallOptions): Promise<void> {
  const api = await address();
  const tenant = await tenantOf(api, options.tenant);
  const config = await configOf(options);
  const body = {
    extension,
    ...(options.version === undefined ? {} : { version: options.version }),
    ...(options.capabilities === undefined
      ? {}
      : { capabilities: options.capabilities.split(",").filter((name) => name !== "") }),
    ...(options.egress === undefined
      ? {}
      : { egress: options.egress.split(",").filter((origin) => origin !== "") }),
    ...(config === undefined ? {} : { config }),
    ...(options.memoryBytes === undefined ? {} : { memoryBytes: Number(options.memoryBytes) }),
    ...(options.deadlineMs === undefined ? {} : { deadlineMs: Number(options.deadlineMs) }),
    ...(options.fuel === undefined ? {} : { fuel: Number(options.fuel) }),
    ...(options.rollback === true ? { rollback: true } : {}),
  };
  const { verdict } = await call(api, operations.install, { params: { tenant }, body });
  progress("allowed; a runner is building it");
  const done = await untilBuilt(api, tenant, extension);
  print(options, { install: done, verdict }, () => [
    `${extension}@${done.version} is ready`,
    ...reasonTree(verdict.reasons),
    `verdict ${verdict.id}`,
  ]);
}

async function untilBuilt(api: ApiAddress, tenant: string, extension: string) {
  for (
    const end = Date.now() + BUILD_MS;
    Date.now() < end;
    await new Promise((resolve) => setTimeout(resolve, 50))
  ) {
    const found = await call(api, operations.installShow, { params: { tenant, extension } });
    if (found.failure !== null)
      throw new CliError(
        "install.failed",
        `cannot run ${extension}@${found.version}: ${printable(found.failure)}`,
      );
    if (found.state === "ready") return found;
  }
  throw new CliError(
    "install.failed",
    `cannot run ${extension}: no runner built it within ${BUILD_MS} ms; is a runner connected?`,
  );
}

/** A call's record comes a moment after its answer; what is not there then is not there. */
async function recordedCall(api: ApiAddress, tenant: string, request: string) {
  for (const end = Date.now() + RECORD_MS; ;) {
    try {
      return await call(api, operations.executionShow, { params: { tenant, request } });
    } catch (error) {
      const late = Date.now() > end;
      if (late || !(error instanceof ApiError) || error.code !== "execution.unknown") throw error;
      await new Promise((resolve) => setTimeout(resolve, RECORD_LOOK_MS));
    }
  }
}

async function writeEvidence(
  file: string | undefined,
  read: () => Promise<{ readonly evidence: string }>,
): Promise<void> {
  if (file === undefined) return;
  await writeFileDurably(file, (await read()).evidence);
  progress(`wrote ${file}: caisson verify ${file} --pins <pins> judges it again`);
}

async function explain(id: string, options: TenantOptions & { evidence?: string }): Promise<void> {
  const api = await address();
  if (id.startsWith("sha256:")) {
    const params = { id };
    const verdict = await call(api, operations.verdictShow, { params });
    await writeEvidence(options.evidence, () => call(api, operations.verdictEvidence, { params }));
    return print(options, verdict, () => [
      `${verdict.door} ${verdict.outcome} ${verdict.subject} at ${verdict.at}`,
      ...reasonTree(verdict.reasons),
    ]);
  }
  const params = { tenant: await tenantOf(api, options.tenant), request: id };
  const found = await recordedCall(api, params.tenant, id);
  await writeEvidence(options.evidence, () => call(api, operations.executionEvidence, { params }));
  print(options, found, () => {
    const { execution, install: verdict, logs } = found;
    return [
      `${execution.method} ${execution.extension}@${execution.version} ${execution.endpoint} → ${execution.status} ${execution.code} (${execution.outcome})`,
      `  ${execution.contentHash}`,
      `  ${Object.entries(execution.usage)
        .map(([name, value]) => `${name} ${value}`)
        .join(", ")}`,
      ...(execution.denied === "" ? [] : [`  denied ${execution.denied}`]),
      ...(execution.rung === 0 ? [] : [`  ended by rung ${execution.rung} of the kill ladder`]),
      ...(verdict === null ? [] : ["installed by verdict:", ...reasonTree(verdict.reasons, "  ")]),
      ...logs.map((line) => `  ${line.level} ${printableLines(line.message)}`),
    ];
  });
}
