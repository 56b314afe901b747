import { dataFolder } from "#platform";
import type { EnvReader } from "#platform";
import type { DatabaseAddress } from "#store";
import { readMode } from "./mode.ts";
import type { Mode } from "./mode.ts";
import { readOperationsPort } from "./operations.ts";
import type { Env } from "./operations.ts";
import { readRunnerBase } from "./runner-base.ts";
import type { RunnerBase } from "./runner-base.ts";

export interface ControlSettings {
  readonly data: string;
  readonly mode: Mode;
  readonly port: number;
  readonly operationsPort: number;
  readonly database: Databases;
  readonly trustBundle: string | null;
  /** Where the gateway of this machine sends its calls. */
  readonly runner: RunnerBase;
}

interface Databases {
  readonly app: DatabaseAddress;
  /** May change the schema; null: nobody may, it has to be current. */
  readonly owner: DatabaseAddress | null;
}

export function readControlSettings(reader: EnvReader, env: Env): ControlSettings {
  return {
    data: dataFolder(env),
    mode: readMode(reader, new Date()),
    port: reader.int("CAISSON_PORT", { min: 0, max: 65_000, default: 8_700 }),
    operationsPort: readOperationsPort(reader, "control"),
    database: readDatabases(reader),
    trustBundle: reader.optional("SIGNING_TRUST_BUNDLE"),
    runner: readRunnerBase(reader),
  };
}

/** `DATABASE_URL` and `CAISSON_DATABASE_OWNER_URL`, or the embedded database's socket. */
function readDatabases(reader: EnvReader): Databases {
  const url = reader.optional("DATABASE_URL");
  const owner = reader.optional("CAISSON_DATABASE_OWNER_URL");
  if (url === null) {
    if (owner !== null)
      reader.refuse("CAISSON_DATABASE_OWNER_URL", "goes with DATABASE_URL, which is not set");
    const socketFolder = reader.required("CAISSON_PG_SOCKET");
    const at = (user: string) => ({ socketFolder, port: 5_432, user, database: "caisson" });
    return { app: at("caisson_app"), owner: at("caisson_owner") };
  }
  requirePostgres(reader, "DATABASE_URL", url);
  if (owner !== null) requirePostgres(reader, "CAISSON_DATABASE_OWNER_URL", owner);
  return { app: { url }, owner: owner === null ? null : { url: owner } };
}

/** The value may hold a password: it is not shown. */
function requirePostgres(reader: EnvReader, name: string, value: string): void {
  if (!/^postgres(?:ql)?:\/\/.+/.test(value))
    reader.refuse(name, "wanted postgres://user@host/database");
}
