import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { SelfCheck } from "#contract";
import type { Mode } from "./mode.ts";
import { checkOf, trustKnownAnswer } from "./report-self-checks.ts";

/** What control's main finds in its process. keys: the folder of control's keys. */
export async function ownChecks(keys: string, mode: Mode): Promise<SelfCheck[]> {
  return [
    checkOf("trust.known-answer", trustKnownAnswer()),
    checkOf("keys.files", await openFile(keys)),
    checkOf("keys.sealed", mode.passphrase === null ? "development mode keeps keys open" : null),
    transportCheck(mode),
  ];
}

function transportCheck({ transport }: Mode): SelfCheck {
  if (transport.kind === "proxy")
    return {
      id: "transport.tls",
      state: "not-available",
      detail: "TLS ends at the proxy that the operator named",
    };
  const plain = "development mode speaks plain HTTP on loopback";
  return checkOf("transport.tls", transport.kind === "tls" ? null : plain);
}

/** Null where the folder and what lies in it are their owner's alone. */
async function openFile(folder: string): Promise<string | null> {
  const paths = [folder, ...(await readdir(folder)).map((name) => join(folder, name))];
  for (const path of paths)
    if (((await stat(path)).mode & 0o077) !== 0)
      return path === folder
        ? "the folder of keys is open to others"
        : "a key file is open to others";
  return null;
}
