import { existsSync } from "node:fs";
import { setDefaultCACertificates } from "node:tls";
import { mkdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { call, operations } from "#http-api";
import type { ApiAddress } from "#http-api";
import { writeFileDurably } from "#platform";
import { ObjectReader, parseStrictJson } from "#trust";
import { CliError } from "./cli-error.ts";

const CLONE_DATA = fileURLToPath(new URL("../../.caisson", import.meta.url));

function profilePath(): string {
  return (
    process.env["CAISSON_PROFILE"] ??
    join(process.env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config"), "caisson/profile.json")
  );
}

/** The data folder that this clone's `npm start` uses. */
export function localData(): string {
  return resolve(process.env["CAISSON_DATA"] ?? CLONE_DATA);
}

/** Who we are: CAISSON_URL and CAISSON_KEY_FILE, else the profile, else the operator of this clone's own data folder. */
export async function address(): Promise<ApiAddress> {
  const { url, keyFile, ca } = await whereabouts();
  if (ca !== null) await trustCa(ca);
  const key = await readFile(keyFile, "utf8").catch((cause: unknown) => {
    throw new CliError("file.unreadable", `cannot read the key file ${keyFile}`, { cause });
  });
  return { url, key: key.trim() };
}

/** PEM file of the authorities of control's certificate; null: the system's own. */
export async function controlCa(): Promise<string | null> {
  return (await whereabouts()).ca;
}

/** From here on this command trusts servers of that CA, and of no other. */
export async function trustCa(file: string): Promise<void> {
  const pem = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new CliError("file.unreadable", `cannot read the CA file ${file}`, { cause });
  });
  setDefaultCACertificates([pem]);
}

interface Whereabouts {
  readonly url: string;
  readonly keyFile: string;
  /** PEM file of the CA of control's certificate; null: the system's own. */
  readonly ca: string | null;
}

async function whereabouts(): Promise<Whereabouts> {
  const local = join(localData(), "keys/operator.key");
  const port = process.env["CAISSON_PORT"] ?? "8700";
  const fallback = existsSync(profilePath())
    ? await readProfile()
    : { url: `http://127.0.0.1:${port}`, keyFile: local, ca: null };
  const found = {
    url: process.env["CAISSON_URL"] ?? fallback.url,
    keyFile: process.env["CAISSON_KEY_FILE"] ?? fallback.keyFile,
    ca: process.env["CAISSON_CA"] ?? fallback.ca,
  };
  if (!existsSync(found.keyFile))
    throw new CliError(
      "profile.missing",
      `cannot find a key: run "caisson login --url … --key-file …", or npm start in this clone (no file ${found.keyFile})`,
    );
  return found;
}

async function readProfile(): Promise<Whereabouts> {
  const reader = ObjectReader.of(
    parseStrictJson(await readFile(profilePath()), { maxBytes: 65_536 }),
    "profile",
  );
  const profile = {
    url: reader.string("url", { max: 2_048 }),
    keyFile: reader.string("keyFile", { max: 4_096 }),
    ca: reader.value("ca") === null ? null : reader.string("ca", { max: 4_096 }),
  };
  reader.end();
  return profile;
}

export async function writeProfile(url: string, keyFile: string, ca: string | null): Promise<void> {
  await mkdir(dirname(profilePath()), { recursive: true, mode: 0o700 });
  await writeFileDurably(
    profilePath(),
    JSON.stringify({ url, ca: ca === null ? null : resolve(ca), keyFile: resolve(keyFile) }),
  );
}

/** A tenant by id or, for the operator, by name; a tenant's own key needs neither. */
export async function tenantOf(api: ApiAddress, wanted: string | undefined): Promise<string> {
  const self = await call(api, operations.whoami);
  if (self.tenant !== null && wanted === undefined) return self.tenant;
  if (wanted === undefined)
    throw new CliError("usage", "cannot tell which tenant is meant: name it with --tenant");
  if (/^[0-9a-f-]{36}$/.test(wanted)) return wanted;
  const { items } = await call(api, operations.tenantList);
  const found = items.find((tenant) => tenant.name === wanted);
  if (found === undefined) throw new CliError("usage", `cannot find a tenant named ${wanted}`);
  return found.id;
}
