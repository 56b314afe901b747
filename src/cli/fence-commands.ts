import type { Command } from "commander";
import { parseExtensionId, parseVersion } from "#contract";
import { call, operations } from "#http-api";
import type { FenceScope } from "#contract";
import type { ApiAddress } from "#http-api";
import { CliError } from "./cli-error.ts";
import { print, printable, table } from "./output.ts";
import type { OutputOptions } from "./output.ts";
import { address, tenantOf } from "./profile.ts";

/** Of a verb whose entry stands while an edge has not said that it keeps it. */
const UNACKNOWLEDGED = 7;

interface TargetOptions extends OutputOptions {
  readonly all?: boolean;
  readonly tenant?: string;
  readonly extension?: string;
  readonly install?: string;
  readonly digest?: string;
  readonly key?: string;
  readonly publisher?: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
}

interface Target {
  readonly scope: FenceScope;
  readonly id: string;
}

/** revoke, halt, resume, fence list: what must stop, stops. */
export function fenceCommands(program: Command): void {
  withEnd(
    program
      .command("revoke [extension@version]")
      .description("take a version, a digest, a publisher's key or a publisher back for good")
      .option("--digest <sha256:…>", "a content hash, published or not")
      .option("--key <sha256:…>", "all that a publisher's key signed, by its SPKI digest")
      .option("--publisher <name>", "all of a publisher"),
  ).action(async (version: string | undefined, options: TargetOptions) => {
    const api = await address();
    await stop(api, await revokeTarget(api, version, options), options);
  });
  withEnd(withScope(program.command("halt").description("stop, until resumed"))).action(
    async (options: TargetOptions) => {
      const api = await address();
      await stop(api, await haltTarget(api, options), options);
    },
  );
  withScope(program.command("resume").description("lift a halt"))
    .option("--json", "print JSON")
    .action(async (options: TargetOptions) => {
      const api = await address();
      const target = await haltTarget(api, options);
      const lifted = await call(api, operations.fenceLift, { body: target });
      print(options, lifted, () => [`resumed ${nameOf(target)}`, ...edgeLines(lifted)]);
      endWith(lifted.missing);
    });
  program
    .command("fence")
    .description("what is stopped now")
    .command("list")
    .option("--json", "print JSON")
    .action(async (options: OutputOptions) => {
      const listed = await call(await address(), operations.fenceList);
      print(options, listed, () => [
        `fence ${listed.epoch}`,
        ...table(
          ["EPOCH", "STOPS", "ID", "FOR GOOD", "REASON"],
          listed.items.map((row) => [
            String(row.epoch),
            row.scope,
            row.id,
            row.reversible ? "no" : "yes",
            printable(row.reason),
          ]),
        ),
      ]);
    });
}

function withScope(command: Command): Command {
  return command
    .option("--all", "everything")
    .option("--tenant <name or id>", "all of a tenant")
    .option("--extension <publisher.name>", "an extension, with --tenant that tenant's install")
    .option("--install <id>", "one install");
}

function withEnd(command: Command): Command {
  return command
    .requiredOption("--reason <text>", "why; kept in the audit log")
    .option("--dry-run", "only show what would stop")
    .option("--json", "print JSON");
}

async function stop(api: ApiAddress, target: Target, options: TargetOptions): Promise<void> {
  const body = { ...target, reason: options.reason ?? "", dryRun: options.dryRun === true };
  const done = await call(api, operations.fenceSet, { body });
  const { stops, entry } = done;
  print(options, done, () => [
    entry === null
      ? `would stop ${nameOf(target)}`
      : `stopped ${nameOf(target)} (fence ${entry.epoch}${entry.reversible ? "" : ", for good"})`,
    `  ${stops.installs} installs of ${stops.tenants} tenants, ${stops.versions} published versions`,
    ...stops.items.map((row) => `  ${row.tenant} ${row.extension}@${printable(row.version)}`),
    ...(stops.installs > stops.items.length
      ? [`  and ${stops.installs - stops.items.length} more`]
      : []),
    ...edgeLines(done),
  ]);
  endWith(done.missing);
}

function edgeLines({
  edges,
}: {
  readonly edges: readonly {
    readonly kind: string;
    readonly edge: string;
    readonly connected: boolean;
    readonly acknowledged: boolean;
    readonly refused: number;
    readonly unqueued: number;
    readonly killed: number;
  }[];
}): string[] {
  return edges.map(({ kind, edge, connected, acknowledged, refused, unqueued, killed }) => {
    const name = `  ${kind} ${edge}`;
    if (acknowledged)
      return `${name} acknowledged: ${refused} grants closed, ${unqueued} waiting and ${killed} running calls ended`;
    return `${name} MISSING: ${connected ? "connected, but it did not acknowledge" : "not connected"}; it stops when it hears of it, and serves nothing once its snapshot is too old`;
  });
}

function endWith(missing: readonly string[]): void {
  if (missing.length > 0) process.exitCode = UNACKNOWLEDGED;
}

async function revokeTarget(
  api: ApiAddress,
  version: string | undefined,
  { digest, key, publisher }: TargetOptions,
): Promise<Target> {
  const given = [
    ...(version === undefined ? [] : [await versionTarget(api, version)]),
    ...(digest === undefined ? [] : [{ scope: "digest" as const, id: digest }]),
    ...(key === undefined ? [] : [{ scope: "key" as const, id: key }]),
    ...(publisher === undefined ? [] : [{ scope: "publisher" as const, id: publisher }]),
  ];
  return onlyOne(given, "extension@version, --digest, --key or --publisher");
}

async function versionTarget(api: ApiAddress, text: string): Promise<Target> {
  const [extension = "", version = ""] = text.split("@");
  if (parseExtensionId(extension) === null || parseVersion(version) === null)
    throw new CliError("usage", `cannot revoke ${printable(text)}: wanted publisher.name@version`);
  const { items } = await call(api, operations.artifactList, { query: { extension } });
  const found = items.find((row) => row.version === version);
  if (found === undefined)
    throw new CliError("usage", `cannot find ${text}; "--digest" revokes what was never published`);
  return { scope: "digest", id: found.contentHash };
}

async function haltTarget(api: ApiAddress, options: TargetOptions): Promise<Target> {
  const { all, tenant, extension, install } = options;
  if (tenant !== undefined && extension !== undefined) {
    const params = { tenant: await tenantOf(api, tenant), extension };
    return { scope: "install", id: (await call(api, operations.installShow, { params })).id };
  }
  const given = [
    ...(all === true ? [{ scope: "all" as const, id: "*" }] : []),
    ...(tenant === undefined
      ? []
      : [{ scope: "tenant" as const, id: await tenantOf(api, tenant) }]),
    ...(extension === undefined ? [] : [{ scope: "extension" as const, id: extension }]),
    ...(install === undefined ? [] : [{ scope: "install" as const, id: install }]),
  ];
  return onlyOne(given, "--all, --tenant, --extension or --install");
}

function onlyOne(given: readonly Target[], wanted: string): Target {
  const [target, ...more] = given;
  if (target === undefined || more.length > 0)
    throw new CliError("usage", `cannot tell what is meant: name exactly one of ${wanted}`);
  return target;
}

function nameOf({ scope, id }: Target): string {
  return scope === "all" ? "everything" : `${scope} ${id}`;
}
