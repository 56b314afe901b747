import { X509Certificate } from "node:crypto";

import { quote } from "./coded-error.ts";
import type { SpkiDigest } from "./digest.ts";
import { equalBytes, readUtf8 } from "./encodings.ts";
import { MAX_PEM_BYTES, splitPem } from "./pem.ts";
import type { PemBlock } from "./pem.ts";
import { PublicKey } from "./public-key.ts";
import { TrustError } from "./trust-error.ts";

/** One anchor of `SIGNING_TRUST_BUNDLE`: a key, and for a certificate the dates within which it may be used. */
export interface PemAnchor {
  readonly key: PublicKey;
  /** Where it stands: `pem:<position>:<label>`. */
  readonly pemRef: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/**
 * Reads the operator's trust bundle: `PUBLIC KEY` and `CERTIFICATE` blocks; a certificate pins its key within its dates,
 * and issues nothing. Refuses to guess: a private key ("anchors.private-key"), another label ("anchors.unknown-label"),
 * a key twice ("anchors.duplicate"), bytes after the DER ("anchors.trailing-bytes"), no block at all ("anchors.empty").
 */
export function parseTrustBundle(pem: string | Uint8Array): readonly PemAnchor[] {
  if (pem.length > MAX_PEM_BYTES)
    throw new TrustError(
      "anchors.malformed",
      `cannot read a trust bundle of ${pem.length} bytes: wanted at most ${MAX_PEM_BYTES}`,
    );
  const blocks = splitPem(typeof pem === "string" ? pem : readUtf8(pem));
  if (blocks.length === 0)
    throw new TrustError(
      "anchors.empty",
      "cannot use a trust bundle without a PEM block: wanted a public key or certificate",
    );
  const seen = new Set<SpkiDigest>();
  return blocks.map((block) => {
    const anchor = readBlock(block);
    if (seen.has(anchor.key.spkiDigest))
      throw new TrustError(
        "anchors.duplicate",
        `cannot use a trust bundle that names key ${anchor.key.spkiDigest} twice`,
      );
    seen.add(anchor.key.spkiDigest);
    return anchor;
  });
}

function readBlock(block: PemBlock): PemAnchor {
  const pemRef = `pem:${block.position}:${block.label.toLowerCase().replaceAll(" ", "-")}`;
  requireWholeDer(block);
  if (block.label === "PUBLIC KEY") return { key: PublicKey.fromSpki(block.der), pemRef };
  if (block.label === "CERTIFICATE") return { ...readCertificate(block), pemRef };
  if (block.label.endsWith("PRIVATE KEY"))
    throw new TrustError(
      "anchors.private-key",
      `cannot use PEM block ${block.position}: it is a private key, and a trust bundle is public`,
    );
  throw new TrustError(
    "anchors.unknown-label",
    `cannot use PEM block ${block.position} with label ${quote(block.label)}: wanted PUBLIC KEY or CERTIFICATE`,
  );
}

function readCertificate(block: PemBlock): Omit<PemAnchor, "pemRef"> {
  const { raw, publicKey, notBefore, notAfter } = parseCertificate(block);
  if (!equalBytes(raw, block.der)) trailing(block);
  if (Number.isNaN(notBefore.getTime()) || Number.isNaN(notAfter.getTime()))
    throw new TrustError(
      "anchors.malformed",
      `cannot read the dates of the certificate in PEM block ${block.position}`,
    );
  return { key: PublicKey.fromKeyObject(publicKey), notBefore, notAfter };
}

function parseCertificate(block: PemBlock) {
  try {
    const certificate = new X509Certificate(block.der);
    const [notBefore, notAfter] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
    return { raw: certificate.raw, publicKey: certificate.publicKey, notBefore, notAfter };
  } catch (cause) {
    throw new TrustError(
      "anchors.malformed",
      `cannot read the certificate in PEM block ${block.position}`,
      { cause },
    );
  }
}

/** One DER SEQUENCE with a definite, minimal length that fills the block. */
function requireWholeDer(block: PemBlock): void {
  const { der } = block;
  const [tag, first = 0] = der;
  const count = first < 0x80 ? 0 : first & 0x7f;
  const length =
    count === 0 ? first : der.slice(2, 2 + count).reduce((sum, byte) => sum * 256 + byte, 0);
  if (tag !== 0x30 || count > 3 || first === 0x80 || der.length < 2 + count + length)
    throw new TrustError(
      "anchors.malformed",
      `cannot read PEM block ${block.position}: wanted one DER structure`,
    );
  if (der.length > 2 + count + length) trailing(block);
}

function trailing(block: PemBlock): never {
  throw new TrustError(
    "anchors.trailing-bytes",
    `cannot use PEM block ${block.position}: bytes follow its DER structure`,
  );
}
