import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jsonLog } from "#platform";
import { migrate, openStore } from "#store";
import type { DatabaseAddress, Store } from "#store";
import { startPostgres } from "../../src/apps/postgres-server.ts";

export interface TestDatabase extends AsyncDisposable {
  readonly owner: DatabaseAddress;
  readonly app: DatabaseAddress;
  readonly store: Store;
}

/** A fresh migrated cluster of its own. bin: folder of another PostgreSQL's programs, the npm package's own unless told. */
export async function startTestDatabase(bin?: string): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), "cst-"));
  const place = { data: join(folder, "pg"), socketFolder: folder };
  const server = await startPostgres(
    bin === undefined ? place : { ...place, bin },
    jsonLog("test", () => {}),
  );
  await migrate(server.owner);
  const store = openStore(server.app);
  return {
    owner: server.owner,
    app: server.app,
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
