import { createHash } from "node:crypto";
import { homedir, tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/** `CAISSON_DATA`, else `$XDG_DATA_HOME/caisson`. In a clone the supervisor names `.caisson/`. */
export function dataFolder(env: Readonly<Record<string, string | undefined>>): string {
  return (
    env["CAISSON_DATA"] ?? join(env["XDG_DATA_HOME"] ?? join(homedir(), ".local/share"), "caisson")
  );
}

/** A short folder for sockets (their paths end at 107 bytes), the same for the same data folder and user. */
export function runtimeFolder(
  env: Readonly<Record<string, string | undefined>>,
  data: string,
): string {
  const name = createHash("sha256").update(data).digest("hex").slice(0, 12);
  return env["CAISSON_RUNTIME"] ?? join(tmpdir(), `caisson-${userInfo().uid}-${name}`);
}
