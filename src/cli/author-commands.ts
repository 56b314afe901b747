import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { errors } from "#contract";
import { call, operations } from "#http-api";
import {
  createPublisherKey,
  createExtension,
  packFolder,
  pushArtifact,
  readLayout,
  readPublisherKey,
  signPacked,
  writeLayout,
} from "#kit";
import type { Packed, SignedArtifact } from "#kit";
import { CliError } from "./cli-error.ts";
import { print, progress, reasonTree } from "./output.ts";
import type { OutputOptions } from "./output.ts";
import { address } from "./profile.ts";

interface KeyOptions extends OutputOptions {
  readonly key: string;
  readonly passphraseFile?: string;
}

/** new, pack, sign, publish, key: the author's day. */
export function authorCommands(program: Command): void {
  program
    .command("new <folder>")
    .description("make an extension's folder from a template")
    .requiredOption("--publisher <name>", "your publisher's name")
    .option("--template <kind>", "typescript or c", "typescript")
    .option("--json", "print JSON")
    .action(
      async (folder: string, options: OutputOptions & { publisher: string; template: string }) => {
        const files = await createExtension(resolve(folder), options.publisher, options.template);
        print(options, { folder: resolve(folder), files }, () => [
          `made ${resolve(folder)}: ${files.join(", ")}`,
          `next: caisson dev ${folder}`,
        ]);
      },
    );
  program
    .command("pack [folder]")
    .description(
      "build the component and pack it into <folder>/dist as an OCI image layout; prints the digest",
    )
    .option("--json", "print JSON")
    .action(async (folder = ".", options: OutputOptions) => {
      progress("building");
      const packed = await packFolder(folder, progress);
      await rm(join(folder, "dist"), { recursive: true, force: true });
      await writeLayout(join(folder, "dist"), packed);
      print(options, { digest: packed.digest }, () => [packed.digest]);
    });
  program
    .command("sign [folder]")
    .description("sign what pack made")
    .requiredOption("--key <file>", "publisher's private key (PEM)")
    .option(
      "--passphrase-file <file>",
      "file with the key's passphrase; else CAISSON_KEY_PASSPHRASE",
    )
    .option("--json", "print JSON")
    .action(async (folder = ".", options: KeyOptions) => {
      const signer = await readPublisherKey(options.key, await passphraseOf(options));
      const signed = signPacked(await readLayout(join(folder, "dist")), signer, new Date());
      await writeLayout(join(folder, "dist"), signed);
      print(options, { digest: signed.digest, signer: signer.publicKey.spkiDigest }, () => [
        `signed ${signed.digest} with ${signer.publicKey.spkiDigest}`,
      ]);
    });
  program
    .command("publish [folder]")
    .description("push what sign made and ask the publish door; prints the verdict")
    .option("--json", "print JSON")
    .action(async (folder = ".", options: OutputOptions) => {
      const artifact = await readLayout(join(folder, "dist"));
      if (!("referrer" in artifact))
        throw new CliError(
          "usage",
          `cannot publish ${folder}: it is not signed; run "caisson sign" first`,
        );
      await publish(artifact, options);
    });
  program
    .command("check [folder]")
    .description(
      "ask what the publish door would say of what pack or sign made; nothing of it stays",
    )
    .requiredOption(
      "--policy",
      "judge by the policy of the control that this command line talks to",
    )
    .option("--json", "print JSON")
    .action(async (folder = ".", options: OutputOptions) => {
      await check(await readLayout(join(folder, "dist")), options);
    });
  keyCommands(program);
}

/** The exit status is that of the verdict, so that a build can stop on it. */
async function check(artifact: Packed | SignedArtifact, options: OutputOptions): Promise<void> {
  const api = await address();
  await pushArtifact(api, artifact, "digest");
  const { publisher, name, version } = artifact.config;
  const { verdict } = await call(api, operations.publishCheck, {
    body: { extension: `${publisher}.${name}`, version, contentHash: artifact.digest },
  });
  const isAllowed = verdict.outcome === "allow";
  print(options, { verdict }, () => [
    `${isAllowed ? "would be admitted" : "would be refused"}: ${publisher}.${name}@${version} ${artifact.digest}`,
    ...reasonTree(verdict.reasons),
  ]);
  if (!isAllowed) process.exitCode = errors["publish.refused"].exit;
}

export async function publish(
  artifact: SignedArtifact,
  options: OutputOptions,
  by: "version" | "digest" = "version",
): Promise<void> {
  const api = await address();
  await pushArtifact(api, artifact, by);
  const { publisher, name, version } = artifact.config;
  const published = await call(api, operations.publish, {
    body: { extension: `${publisher}.${name}`, version, contentHash: artifact.digest },
  });
  print(options, published, () => [
    `admitted ${publisher}.${name}@${version} ${artifact.digest}`,
    ...reasonTree(published.verdict.reasons),
    `verdict ${published.verdict.id}`,
  ]);
}

function keyCommands(program: Command): void {
  const key = program.command("key").description("publisher keys");
  const make = async (file: string, options: OutputOptions & { passphraseFile?: string }) => {
    if (existsSync(file))
      throw new CliError("usage", `cannot make a key at ${file}: the file exists`);
    const signer = await createPublisherKey(file, await passphraseOf(options));
    const { spkiDigest } = signer.publicKey;
    print(options, { file, spki: spkiDigest, publicKey: signer.publicKey.toPem() }, () => [
      signer.publicKey.toPem().trimEnd(),
      `spki ${spkiDigest}`,
      `the operator adds it: caisson trust add <this PEM in a file>, caisson trust scope ${spkiDigest} --publisher <name>`,
    ]);
  };
  key
    .command("make <file>")
    .description(
      "make an ECDSA P-256 key, sealed by a passphrase where one is given; prints the public key",
    )
    .option(
      "--passphrase-file <file>",
      "file with the passphrase; else CAISSON_KEY_PASSPHRASE; neither: not sealed",
    )
    .option("--json", "print JSON")
    .action(make);
  key
    .command("rotate <old> <file>")
    .description(
      "make the next key; the old one goes on signing until the operator scopes the new one and unscopes the old",
    )
    .option(
      "--passphrase-file <file>",
      "file with the passphrase of both keys; else CAISSON_KEY_PASSPHRASE",
    )
    .option("--json", "print JSON")
    .action(
      async (old: string, file: string, options: OutputOptions & { passphraseFile?: string }) => {
        const previous = await readPublisherKey(old, await passphraseOf(options));
        progress(
          `replaces ${previous.publicKey.spkiDigest}: the operator empties its scope with caisson trust scope ${previous.publicKey.spkiDigest} --no-publishers`,
        );
        await make(file, options);
      },
    );
}

async function passphraseOf(options: { readonly passphraseFile?: string }): Promise<string | null> {
  if (options.passphraseFile === undefined) return process.env["CAISSON_KEY_PASSPHRASE"] ?? null;
  const text = await readFile(options.passphraseFile, "utf8").catch((cause: unknown) => {
    throw new CliError(
      "file.unreadable",
      `cannot read the passphrase file ${String(options.passphraseFile)}`,
      { cause },
    );
  });
  return text.replace(/\r?\n$/, "");
}
