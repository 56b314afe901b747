import { createPublicKey, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const length =
    body.length < 0x80
      ? Buffer.of(body.length)
      : Buffer.of(0x82, body.length >> 8, body.length & 0xff);
  return Buffer.concat([Buffer.of(tag), length, body]);
};
const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"));
const utcTime = (date: Date) =>
  der(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replace(/[-T:]/g, "")}Z`));

/** Version 3, for servers: its own CA (basicConstraints), and the host's name (subjectAltName). */
function serverParts(host: string): {
  readonly version: Uint8Array;
  readonly extensions: Uint8Array;
} {
  const extension = (id: string, value: Uint8Array) => sequence(oid(id), der(0x04, value));
  const isCa = extension("551d13", sequence(der(0x01, Buffer.of(0xff))));
  const names = extension("551d11", sequence(der(0x82, Buffer.from(host))));
  return {
    version: der(0xa0, der(0x02, Buffer.of(2))),
    extensions: der(0xa3, sequence(isCa, names)),
  };
}

/** A self-signed X.509 certificate of an ECDSA P-256 key, as PEM. host: of the server that shows it. */
export function selfSigned(
  privateKey: KeyObject,
  notBefore: Date,
  notAfter: Date,
  host?: string,
): string {
  const none = new Uint8Array();
  const { version, extensions } =
    host === undefined ? { version: none, extensions: none } : serverParts(host);
  const algorithm = sequence(oid("2a8648ce3d040302"));
  const name = sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from("anchor")))));
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  const body = sequence(
    version,
    der(0x02, Buffer.of(1)),
    algorithm,
    name,
    sequence(utcTime(notBefore), utcTime(notAfter)),
    name,
    spki,
    extensions,
  );
  const certificate = sequence(
    body,
    algorithm,
    der(0x03, Buffer.of(0), sign("sha256", body, privateKey)),
  );
  return `-----BEGIN CERTIFICATE-----\n${certificate.toString("base64")}\n-----END CERTIFICATE-----\n`;
}
