import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { request as requestPlain } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { selfSigned } from "../fakes/certificate.ts";
import { freePorts } from "./free-ports.ts";
import { until } from "./until.ts";

const MAIN = fileURLToPath(new URL("../../src/apps/all-in-one.ts", import.meta.url));
const DAY_MS = 24 * 3_600_000;
export const OPERATOR_KEY = `csk_${"O".repeat(43)}`;
export const PASSPHRASE = "correct horse battery staple, forty";

/** What an operator lays ready before production starts, in a folder of its own. */
export interface Prepared extends AsyncDisposable {
  readonly folder: string;
  readonly cert: string;
  /** The settings of a right mix with certificate files. */
  readonly settings: Readonly<Record<string, string>>;
  readonly port: number;
}

export async function prepare(): Promise<Prepared> {
  const folder = await mkdtemp(join(tmpdir(), "cai-p-"));
  const port = await freePorts();
  const file = async (name: string, text: string) => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const key = newKey();
  const cert = await file("tls.crt", certificate(key));
  return {
    folder,
    cert,
    port,
    settings: {
      CAISSON_MODE: "production",
      CAISSON_DATA: join(folder, "data"),
      CAISSON_RUNTIME: join(folder, "run"),
      CAISSON_PORT: String(port),
      CAISSON_BIND: "127.0.0.1",
      CAISSON_PUBLIC_HOST: "localhost",
      CAISSON_TLS_CERT: cert,
      CAISSON_TLS_KEY: await file("tls.key", pemOf(key)),
      CAISSON_KEYS_PASSPHRASE_FILE: await file("passphrase", `${PASSPHRASE}\n`),
      CAISSON_OPERATOR_KEY_FILE: await file("operator.key", `${OPERATOR_KEY}\n`),
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

export function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

export function pemOf(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

export function certificate(key: KeyObject, { host = "localhost", days = 30 } = {}): string {
  const now = Date.now();
  const [from, to] =
    days > 0 ? [now - DAY_MS, now + days * DAY_MS] : [now + days * DAY_MS, now - DAY_MS];
  return selfSigned(key, new Date(from), new Date(to), host);
}

export interface Run extends AsyncDisposable {
  readonly output: () => string;
  /** "started", or the last line of what it said when it did not. */
  readonly outcome: Promise<string>;
}

/** Starts the whole product with just these settings. */
export function start(settings: Readonly<Record<string, string>>): Run {
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("CAISSON_") || name === "CAISSON_NATIVE_DIR",
  );
  const child = spawn("setpriv", ["--pdeathsig", "TERM", "--", process.execPath, MAIN], {
    env: { ...Object.fromEntries(own), ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const started = until(
    "the start or its refusal",
    () => {
      if (text.includes("Ctrl-C stops everything")) return Promise.resolve("started");
      if (child.exitCode === null) return Promise.resolve(null);
      return gone.then(() => text.trim());
    },
    120_000,
  );
  return {
    output: () => text,
    outcome: started,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await gone;
    },
  };
}

/** The status of a GET; what the connection failed with where there was none. */
export function get(
  url: string,
  options: { readonly ca?: string; readonly localAddress?: string } = {},
): Promise<number | string> {
  const send = url.startsWith("https:") ? request : requestPlain;
  return new Promise((resolve) => {
    const sent = send(url, { ...options, agent: false }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode ?? 0));
    });
    sent.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    sent.end();
  });
}
