import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { call, operations } from "#http-api";
import { newApiKey, writeFileDurably } from "#platform";
import { keyActions } from "#policy";
import { CliError } from "./cli-error.ts";
import { print, table } from "./output.ts";
import type { OutputOptions } from "./output.ts";
import { address, localData, tenantOf, trustCa, writeProfile } from "./profile.ts";

const TENANT_ACTIONS = keyActions.join(",");
const DOORS = ["publish", "install", "load"];

/** login, tenant, apikey, publisher, trust, operator. */
export function operatorCommands(program: Command): void {
  program
    .command("login")
    .description("remember where control is and which key file to use")
    .requiredOption("--key-file <file>", "file with an API key")
    .option("--url <url>", "control's address", "http://127.0.0.1:8700")
    .option(
      "--ca <file>",
      "PEM of the CA that control's certificate comes from; the system's own unless told",
    )
    .option("--json", "print JSON")
    .action(async (options: OutputOptions & { keyFile: string; url: string; ca?: string }) => {
      const key = (await readFile(options.keyFile, "utf8")).trim();
      if (options.ca !== undefined) await trustCa(options.ca);
      const self = await call({ url: options.url, key }, operations.whoami);
      await writeProfile(options.url, options.keyFile, options.ca ?? null);
      print(options, self, () => [`logged in to ${options.url} as ${self.kind} ${self.id}`]);
    });
  tenantAdmin(program);
  apiKeyAdmin(program);
  trustAdmin(program);
  const operator = program.command("operator").description("the operator's own key");
  operator
    .command("make-key <file>")
    .description("write a key to a new 0600 file, for CAISSON_OPERATOR_KEY_FILE of production mode")
    .option("--json", "print JSON")
    .action(async (file: string, options: OutputOptions) => {
      await writeFile(file, `${newApiKey()}\n`, { mode: 0o600, flag: "wx" }).catch(
        (cause: unknown) => {
          throw new CliError(
            "file.unwritable",
            `cannot write a key to ${file}: it is there already, or its folder is not`,
            { cause },
          );
        },
      );
      print(options, { file }, () => [`wrote an operator key to ${file}`]);
    });
  operator
    .command("reset-key")
    .description(
      "replace a lost operator key; needs the data folder, and takes effect at once where control runs",
    )
    .option("--json", "print JSON")
    .action(async (options: OutputOptions) => {
      const file = join(localData(), "keys/operator.key");
      await readFile(file); // only a data folder that control has made is reset
      await writeFileDurably(file, `${newApiKey()}\n`);
      print(options, { keyFile: file }, () => [
        `wrote a new operator key to ${file}; the old one is refused as soon as control has read it`,
      ]);
    });
}

function tenantAdmin(program: Command): void {
  const tenant = program.command("tenant").description("tenants");
  tenant
    .command("create <name>")
    .option("--json", "print JSON")
    .action(async (name: string, options: OutputOptions) => {
      const made = await call(await address(), operations.tenantCreate, { body: { name } });
      print(options, made, () => [`${made.name} ${made.id}`]);
    });
  tenant
    .command("list")
    .option("--json", "print JSON")
    .action(async (options: OutputOptions) => {
      const { items } = await call(await address(), operations.tenantList);
      print(options, { items }, () =>
        table(
          ["NAME", "ID", "CREATED"],
          items.map((row) => [row.name, row.id, row.createdAt]),
        ),
      );
    });
  program
    .command("publisher")
    .description("publishers")
    .command("create <name>")
    .requiredOption("--tenant <name or id>", "who owns the name")
    .option("--json", "print JSON")
    .action(async (name: string, options: OutputOptions & { tenant: string }) => {
      const api = await address();
      const made = await call(api, operations.publisherCreate, {
        body: { name, tenant: await tenantOf(api, options.tenant) },
      });
      print(options, made, () => [`publisher ${made.name} belongs to ${made.tenant}`]);
    });
}

function apiKeyAdmin(program: Command): void {
  const apikey = program.command("apikey").description("API keys of a tenant");
  apikey
    .command("create <name>")
    .option("--tenant <name or id>", "the tenant; not needed with a tenant's own key")
    .option("--actions <list>", "what the key may do, comma-separated", TENANT_ACTIONS)
    .option("--out <file>", "write the key to this new 0600 file instead of printing it")
    .option("--json", "print JSON")
    .action(
      async (
        name: string,
        options: OutputOptions & { tenant?: string; actions: string; out?: string },
      ) => {
        const api = await address();
        const { id, key } = await call(api, operations.keyCreate, {
          params: { tenant: await tenantOf(api, options.tenant) },
          body: { name, actions: options.actions.split(",") },
        });
        if (options.out !== undefined) await writeFileDurably(options.out, `${key}\n`);
        const shown = options.out === undefined ? { id, key } : { id, file: options.out };
        print(options, shown, () => [
          options.out === undefined
            ? `${key}  (shown once; id ${id})`
            : `wrote ${options.out} (id ${id})`,
        ]);
      },
    );
  apikey
    .command("list")
    .option("--tenant <name or id>", "the tenant")
    .option("--json", "print JSON")
    .action(async (options: OutputOptions & { tenant?: string }) => {
      const api = await address();
      const { items } = await call(api, operations.keyList, {
        params: { tenant: await tenantOf(api, options.tenant) },
      });
      print(options, { items }, () =>
        table(
          ["NAME", "ID", "STATE", "ACTIONS"],
          items.map((row) => [
            row.name,
            row.id,
            row.revokedAt === null ? "live" : "revoked",
            row.actions.join(","),
          ]),
        ),
      );
    });
  apikey
    .command("revoke <id>")
    .option("--tenant <name or id>", "the tenant")
    .option("--json", "print JSON")
    .action(async (key: string, options: OutputOptions & { tenant?: string }) => {
      const api = await address();
      const revoked = await call(api, operations.keyRevoke, {
        params: { tenant: await tenantOf(api, options.tenant), key },
      });
      print(options, revoked, () => [`revoked ${revoked.name} (${revoked.id})`]);
    });
}

function trustAdmin(program: Command): void {
  const trust = program.command("trust").description("which keys may sign for whom");
  const rows = (
    items: readonly {
      spki: string;
      source: string;
      scope: { publishers: readonly string[] } | null;
    }[],
  ) =>
    table(
      ["KEY", "FROM", "SIGNS FOR"],
      items.map((row) => [
        row.spki,
        row.source,
        row.scope === null ? "nobody (no scope)" : row.scope.publishers.join(",") || "nobody",
      ]),
    );
  trust
    .command("list")
    .option("--json", "print JSON")
    .action(async (options: OutputOptions) => {
      const listed = await call(await address(), operations.trustList);
      print(options, listed, () => [`trust root version ${listed.version}`, ...rows(listed.items)]);
    });
  trust
    .command("add <pem-file>")
    .description("add public keys or certificates; they trust nothing until scoped")
    .option("--json", "print JSON")
    .action(async (file: string, options: OutputOptions) => {
      const added = await call(await address(), operations.trustAdd, {
        body: { pem: await readFile(file, "utf8") },
      });
      print(options, added, () => [
        ...rows(added.items),
        ...added.items.flatMap((row) => row.message ?? []),
      ]);
    });
  trust
    .command("pins")
    .description(
      "write the public keys with which others verify evidence; give the file to them by a way that they trust",
    )
    .option("--out <file>", "where to write it; standard output unless told")
    .option("--json", "print JSON")
    .action(async (options: OutputOptions & { out?: string }) => {
      const pins = await call(await address(), operations.trustPins);
      const text = `${JSON.stringify({ v: 1, ...pins }, null, 2)}\n`;
      const { out } = options;
      if (out === undefined) process.stdout.write(text);
      else {
        await writeFileDurably(out, text);
        print(options, { file: out }, () => [`wrote ${out}`]);
      }
    });
  trust
    .command("scope <spki>")
    .description("say which publishers' names a key may sign")
    .option("--publisher <name...>", "publishers; * for all")
    .option("--no-publishers", "nobody: the key trusts nothing any more")
    .option("--json", "print JSON")
    .action(async (spki: string, options: OutputOptions & { publisher?: string[] }) => {
      const view = await call(await address(), operations.trustScope, {
        params: { spki },
        body: { publishers: options.publisher ?? [], kinds: ["extension"], doors: DOORS },
      });
      print(options, view, () => rows([view]));
    });
}
