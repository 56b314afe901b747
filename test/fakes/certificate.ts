import { createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), body]);
};
const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"));
const utcTime = (date: Date) =>
  der(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replace(/[-T:]/g, "")}Z`));
const nameOf = (text: string) =>
  sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(text)))));
const extension = (id: string, value: Uint8Array) =>
  sequence(oid(id), der(0x01, Buffer.of(0xff)), der(0x04, value));

/** basicConstraints: a CA. */
const IS_CA = extension("551d13", sequence(der(0x01, Buffer.of(0xff))));
/** subjectAltName: one dNSName. */
const namesOf = (host: string) => extension("551d11", sequence(der(0x82, Buffer.from(host))));

interface CertificateParts {
  readonly key: KeyObject;
  readonly subject: string;
  readonly issuer: { readonly key: KeyObject; readonly subject: string };
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Uint8Array[];
}

/** An X.509 certificate of an ECDSA P-256 key, signed by another one, as PEM. */
function certificate(parts: CertificateParts): string {
  const { key, subject, issuer, notBefore, notAfter, extensions } = parts;
  const algorithm = sequence(oid("2a8648ce3d040302"));
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const v3 = extensions.length > 0;
  const body = sequence(
    ...(v3 ? [der(0xa0, der(0x02, Buffer.of(2)))] : []),
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    algorithm,
    nameOf(issuer.subject),
    sequence(utcTime(notBefore), utcTime(notAfter)),
    nameOf(subject),
    spki,
    ...(v3 ? [der(0xa3, sequence(...extensions))] : []),
  );
  const signature = der(0x03, Buffer.of(0), sign("sha256", body, issuer.key));
  const text = sequence(body, algorithm, signature).toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
}

/** A self-signed certificate, as an anchor of a trust bundle may come. host: of a server that shows it, its own CA. */
export function selfSigned(
  privateKey: KeyObject,
  notBefore: Date,
  notAfter: Date,
  host?: string,
): string {
  const issuer = { key: privateKey, subject: "anchor" };
  return certificate({
    key: privateKey,
    subject: "anchor",
    issuer,
    notBefore,
    notAfter,
    extensions: host === undefined ? [] : [IS_CA, namesOf(host)],
  });
}

const DAY_MS = 86_400_000;
const newKey = () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

/** A certification authority of a test's own. */
export class FakeAuthority {
  readonly #key = newKey();
  readonly #subject: string;
  readonly certificate: string;

  constructor(subject: string) {
    this.#subject = subject;
    this.certificate = certificate({
      key: this.#key,
      subject,
      issuer: { key: this.#key, subject },
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + DAY_MS),
      // keyUsage: keyCertSign
      extensions: [IS_CA, extension("551d0f", der(0x03, Buffer.of(2, 0x04)))],
    });
  }

  /** A server's certificate for one DNS name, with its key; `endedMs` ago its time was over. */
  issue(dnsName: string, endedMs = -DAY_MS): { cert: string; key: string } {
    const key = newKey();
    const cert = certificate({
      key,
      subject: dnsName,
      issuer: { key: this.#key, subject: this.#subject },
      notBefore: new Date(Date.now() - 2 * DAY_MS),
      notAfter: new Date(Date.now() - endedMs),
      extensions: [namesOf(dnsName)],
    });
    return { cert, key: key.export({ format: "pem", type: "pkcs8" }) as string }; // PEM is text
  }
}
