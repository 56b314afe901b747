import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import type { BlockList } from "node:net";
import { isApiKey, parseNet } from "#platform";
import type { EnvReader } from "#platform";

export const modes = ["development", "production"] as const;
export type ModeName = (typeof modes)[number];

/** PEM texts of a certificate chain and its key. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Who ends TLS: this process with these files, or a proxy, whose connections alone are taken. */
export type Transport =
  | { readonly kind: "plain" }
  | {
      readonly kind: "tls";
      readonly certFile: string;
      readonly keyFile: string;
      readonly pair: TlsPair;
    }
  | { readonly kind: "proxy"; readonly peers: readonly BlockList[] };

/** How this Caisson is run; development has to be asked for by name, and `npm start` does. */
export interface Mode {
  readonly name: ModeName;
  /** Address that control and gateway listen on. */
  readonly bind: string;
  /** Name under which clients reach them. */
  readonly publicHost: string;
  readonly transport: Transport;
  /** Seals control's keys; null: they lie open in 0600 files. */
  readonly passphrase: string | null;
  /** File with the operator's key; null: control makes one in its data folder. */
  readonly operatorKeyFile: string | null;
}

export const LOOPBACK: readonly string[] = ["127.0.0.1", "::1"];
const PRODUCTION_ONLY = [
  "CAISSON_PUBLIC_HOST",
  "CAISSON_TLS_CERT",
  "CAISSON_TLS_KEY",
  "CAISSON_TLS_PROXY",
  "CAISSON_KEYS_PASSPHRASE_FILE",
  "CAISSON_OPERATOR_KEY_FILE",
] as const;
const MIN_PASSPHRASE = 32;
const MAX_SECRET_BYTES = 4_096;
const MAX_PEM_BYTES = 262_144;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** Whose settings they are: control's keys are control's alone. */
type ModeOwner = "control" | "edge";

/** Every wrong setting and every wrong mix is told to the reader, which names them all at once. */
export function readMode(reader: EnvReader, now: Date, of: ModeOwner = "control"): Mode {
  const name = reader.required("CAISSON_MODE");
  if (name === "development") return readDevelopment(reader);
  if (name !== "production" && name !== "")
    reader.refuse(
      "CAISSON_MODE",
      `${JSON.stringify(name.slice(0, 40))} is none of ${modes.join(", ")}`,
    );
  return readProduction(reader, now, of);
}

function readDevelopment(reader: EnvReader): Mode {
  for (const setting of PRODUCTION_ONLY)
    if (reader.optional(setting) !== null)
      reader.refuse(setting, "is of production mode: set CAISSON_MODE=production, or leave it out");
  const bind = reader.text("CAISSON_BIND", "127.0.0.1");
  if (!LOOPBACK.includes(bind))
    reader.refuse(
      "CAISSON_BIND",
      `development mode listens on loopback alone (${LOOPBACK.join(", ")})`,
    );
  const transport = { kind: "plain" } as const;
  return {
    name: "development",
    bind,
    publicHost: bind,
    transport,
    passphrase: null,
    operatorKeyFile: null,
  };
}

function readProduction(reader: EnvReader, now: Date, of: ModeOwner): Mode {
  const bind = reader.required("CAISSON_BIND");
  if (bind !== "" && isIP(bind) === 0)
    reader.refuse("CAISSON_BIND", "wanted an IP address to listen on, such as 0.0.0.0");
  const publicHost = reader.required("CAISSON_PUBLIC_HOST");
  if (publicHost !== "" && !HOST_NAME.test(publicHost))
    reader.refuse(
      "CAISSON_PUBLIC_HOST",
      "wanted the host name of this Caisson, in lower case, without scheme and port",
    );
  const serving = {
    name: "production",
    bind,
    publicHost,
    transport: readTransport(reader, publicHost, now),
  } as const;
  // An edge has no key of control's, on whatever machine it is.
  if (of === "edge") return { ...serving, passphrase: null, operatorKeyFile: null };
  const operatorKeyFile = reader.required("CAISSON_OPERATOR_KEY_FILE");
  if (operatorKeyFile !== "") readOperatorKey(reader, operatorKeyFile);
  return { ...serving, passphrase: readPassphrase(reader), operatorKeyFile };
}

function readTransport(reader: EnvReader, publicHost: string, now: Date): Transport {
  const [certFile, keyFile] = [
    reader.optional("CAISSON_TLS_CERT"),
    reader.optional("CAISSON_TLS_KEY"),
  ];
  const proxy = reader.optional("CAISSON_TLS_PROXY");
  if (proxy !== null && (certFile ?? keyFile) !== null)
    reader.refuse(
      "CAISSON_TLS_PROXY",
      "either a proxy ends TLS, or CAISSON_TLS_CERT and CAISSON_TLS_KEY are given: not both",
    );
  if (proxy !== null) return { kind: "proxy", peers: readPeers(reader, proxy) };
  if (certFile === null || keyFile === null) {
    reader.refuse(
      certFile === null ? "CAISSON_TLS_CERT" : "CAISSON_TLS_KEY",
      "production needs TLS: CAISSON_TLS_CERT and CAISSON_TLS_KEY (PEM files), or CAISSON_TLS_PROXY with the addresses of the proxy that ends it",
    );
    return { kind: "plain" };
  }
  const pair = readPair(certFile, keyFile, publicHost, now);
  if (typeof pair !== "string") return { kind: "tls", certFile, keyFile, pair };
  reader.refuse("CAISSON_TLS_CERT", pair);
  return { kind: "plain" };
}

/** Text: what is wrong with the files. host: the name that clients use; null: clients know it, this process does not. */
export function readPair(
  certFile: string,
  keyFile: string,
  host: string | null,
  now: Date,
): TlsPair | string {
  try {
    const [cert, key] = [readSmall(certFile, MAX_PEM_BYTES), readSmall(keyFile, MAX_PEM_BYTES)];
    const leaf = new X509Certificate(cert);
    if (!leaf.checkPrivateKey(createPrivateKey(key)))
      return `the key in ${keyFile} is not that of the certificate in ${certFile}`;
    if (now < leaf.validFromDate || now > leaf.validToDate)
      return `the certificate in ${certFile} is valid from ${leaf.validFrom} to ${leaf.validTo}`;
    if (host !== null && leaf.checkHost(host) === undefined)
      return `the certificate in ${certFile} is not for ${host} (CAISSON_PUBLIC_HOST)`;
    return { cert, key };
  } catch (error) {
    return `cannot read ${certFile} and ${keyFile}: ${(error as Error).message}`;
  }
}

/** Addresses and networks, comma-separated. */
function readPeers(reader: EnvReader, text: string): readonly BlockList[] {
  return text.split(",").flatMap((part) => {
    const item = part.trim();
    const family = isIP(item);
    const net = parseNet(family === 0 ? item : `${item}/${family === 4 ? 32 : 128}`);
    // A network of everybody names no proxy.
    if (net !== null && !item.endsWith("/0")) return [net];
    reader.refuse(
      "CAISSON_TLS_PROXY",
      `cannot read ${JSON.stringify(item.slice(0, 60))}: wanted the proxy's address, or network/prefix`,
    );
    return [];
  });
}

function readPassphrase(reader: EnvReader): string | null {
  const setting = "CAISSON_KEYS_PASSPHRASE_FILE";
  const file = reader.required(setting);
  if (file === "") return null;
  const text = readSecret(reader, setting, file);
  if (text === null) return null;
  if (text.trim().length < MIN_PASSPHRASE)
    reader.refuse(setting, `the passphrase in ${file} has fewer than ${MIN_PASSPHRASE} characters`);
  return text.trim();
}

function readOperatorKey(reader: EnvReader, file: string): void {
  const setting = "CAISSON_OPERATOR_KEY_FILE";
  const text = readSecret(reader, setting, file);
  if (text !== null && !isApiKey(text.trim()))
    reader.refuse(
      setting,
      `${file} holds no operator key: make one with caisson operator make-key ${file}`,
    );
}

/** Null: told to the reader. A secret that others may read is none. */
function readSecret(reader: EnvReader, setting: string, file: string): string | null {
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      reader.refuse(setting, `${file} is open to others: chmod 600 it`);
    return readSmall(file, MAX_SECRET_BYTES);
  } catch (error) {
    reader.refuse(
      setting,
      `cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`,
    );
    return null;
  }
}

function readSmall(file: string, maxBytes: number): string {
  const { size } = statSync(file);
  if (size > maxBytes) throw new Error(`${file} has more than ${maxBytes} bytes`);
  return readFileSync(file, "utf8");
}
