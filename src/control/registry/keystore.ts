import { createPrivateKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createSigner, newPrivateKey } from "#trust";
import type { Signer } from "#trust";
import { writeFileDurably } from "#platform";
import { RegistryError } from "./registry-error.ts";

/** Control's own keys: 0600 files in the data folder; in production sealed by a passphrase that lies elsewhere. */
export interface ControlKeys {
  readonly state: Signer;
  readonly trustRoot: Signer;
  readonly artifactLog: Signer;
  readonly auditLog: Signer;
  readonly verdict: Signer;
}

/**
 * passphrase: seals every key (PKCS#8, PBES2); null: development mode, the files lie open.
 * Throws RegistryError "keys.sealed" for a sealed file without its passphrase, "keys.open" for an open file where one is wanted.
 */
export async function openKeys(folder: string, passphrase: string | null): Promise<ControlKeys> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const open = (name: string, kind: "ed25519" | "p256") =>
    openKey(folder, name, { kind, passphrase });
  return {
    state: await open("state", "ed25519"),
    trustRoot: await open("trust-root", "ed25519"),
    artifactLog: await open("artifact-log", "ed25519"),
    auditLog: await open("audit-log", "ed25519"),
    verdict: await open("verdict", "p256"),
  };
}

interface KeyTerms {
  readonly kind: "ed25519" | "p256";
  readonly passphrase: string | null;
}

async function openKey(
  folder: string,
  name: string,
  { kind, passphrase }: KeyTerms,
): Promise<Signer> {
  const path = join(folder, `${name}.pem`);
  const present = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (present !== null) return createSigner(unseal(present, path, passphrase));
  const privateKey = newPrivateKey(kind);
  const sealed = passphrase === null ? {} : { cipher: "aes-256-cbc", passphrase };
  await writeFileDurably(path, privateKey.export({ type: "pkcs8", format: "pem", ...sealed }));
  return createSigner(privateKey);
}

function unseal(pem: string, path: string, passphrase: string | null): KeyObject {
  const isSealed = pem.includes("ENCRYPTED");
  if (passphrase !== null && !isSealed)
    throw new RegistryError(
      "keys.open",
      `cannot use ${path} in production: it was made in development mode and lies open; name a data folder of its own with CAISSON_DATA`,
    );
  try {
    return createPrivateKey(passphrase === null ? pem : { key: pem, passphrase });
  } catch (cause) {
    throw new RegistryError(
      "keys.sealed",
      `cannot open ${path}: ${isSealed && passphrase === null ? "it is sealed, and development mode has no passphrase" : "the passphrase in CAISSON_KEYS_PASSPHRASE_FILE is not the one that sealed it"}`,
      { cause },
    );
  }
}
