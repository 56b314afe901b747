import { createPrivateKey } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { createSigner, newPrivateKey } from "#trust";
import type { Signer } from "#trust";
import { KitError } from "./kit-error.ts";

/** Makes an ECDSA P-256 key (interfaces §2), sealed by a passphrase where one is given; never over an existing file. */
export async function createPublisherKey(path: string, passphrase: string | null): Promise<Signer> {
  const privateKey = newPrivateKey("p256");
  const sealed = passphrase === null ? {} : { cipher: "aes-256-cbc", passphrase };
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(privateKey.export({ type: "pkcs8", format: "pem", ...sealed }));
  await file.sync();
  return createSigner(privateKey);
}

/** Throws KitError "key.passphrase" where the file is sealed and the passphrase is missing or wrong, "key.invalid" otherwise. */
export async function readPublisherKey(path: string, passphrase: string | null): Promise<Signer> {
  const pem = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new KitError("key.invalid", `cannot read the key file ${path}`, { cause });
  });
  try {
    return createSigner(createPrivateKey(passphrase === null ? pem : { key: pem, passphrase }));
  } catch (cause) {
    if (pem.includes("ENCRYPTED"))
      throw new KitError(
        "key.passphrase",
        `cannot open the key file ${path}: the passphrase is ${passphrase === null ? "missing" : "wrong"}; give it with --passphrase-file or CAISSON_KEY_PASSPHRASE`,
        { cause },
      );
    throw new KitError(
      "key.invalid",
      `cannot use the key file ${path}: wanted a PKCS#8 private key in PEM`,
      { cause },
    );
  }
}
