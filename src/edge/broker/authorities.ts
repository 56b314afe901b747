import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { getCACertificates } from "node:tls";
import { ConfigError } from "#platform";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Authorities that servers' certificates may come from, as PEM: those that Node trusts, and those of `CAISSON_EGRESS_CA`. Throws ConfigError. */
export async function readAuthorities(file: string | null): Promise<readonly string[]> {
  const known = getCACertificates("default");
  if (file === null) return known;
  try {
    const own = (await readFile(file, "utf8")).match(CERTIFICATE) ?? [];
    if (own.length === 0) throw new Error("it holds no certificate");
    return [...known, ...own.map((pem) => new X509Certificate(pem).toString())];
  } catch (cause) {
    throw new ConfigError(
      "config.invalid",
      `cannot start: CAISSON_EGRESS_CA ${JSON.stringify(file)}: ${(cause as Error).message}`,
      { cause },
    );
  }
}
