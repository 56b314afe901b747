import { createPrivateKey } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createSigner, newPrivateKey } from "#trust";
import type { Signer } from "#trust";
import { writeFileDurably } from "#platform";

/** Control's own keys. In development mode they are 0600 files in the data folder. */
export interface ControlKeys {
  readonly state: Signer;
  readonly trustRoot: Signer;
  readonly artifactLog: Signer;
  readonly auditLog: Signer;
  readonly verdict: Signer;
}

export async function openKeys(folder: string): Promise<ControlKeys> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return {
    state: await openKey(folder, "state", "ed25519"),
    trustRoot: await openKey(folder, "trust-root", "ed25519"),
    artifactLog: await openKey(folder, "artifact-log", "ed25519"),
    auditLog: await openKey(folder, "audit-log", "ed25519"),
    verdict: await openKey(folder, "verdict", "p256"),
  };
}

async function openKey(folder: string, name: string, kind: "ed25519" | "p256"): Promise<Signer> {
  const path = join(folder, `${name}.pem`);
  const present = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (present !== null) return createSigner(createPrivateKey(present));
  const privateKey = newPrivateKey(kind);
  await writeFileDurably(path, privateKey.export({ type: "pkcs8", format: "pem" }));
  return createSigner(privateKey);
}
