import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { jsonLog } from "#platform";
import { startPostgres } from "../../src/apps/postgres-server.ts";

test("the lock of a server that was killed does not stop a start when somebody else has its process id", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cst-"));
  const place = { data: join(folder, "pg"), socketFolder: folder };
  const quiet = jsonLog("test", () => {});
  const other = spawn("sleep", ["600"]);
  try {
    const first = await startPostgres(place, quiet);
    const locks = [join(place.data, "postmaster.pid"), join(folder, ".s.PGSQL.5432.lock")];
    const left = await Promise.all(locks.map((lock) => readFile(lock, "utf8")));
    await first.stop();
    for (const [i, lock] of locks.entries())
      await writeFile(lock, (left[i] ?? "").replace(/^\d+/, String(other.pid)));
    const server = await startPostgres(place, quiet);
    await server.stop();
  } finally {
    other.kill();
    await rm(folder, { recursive: true, force: true });
  }
});

test("a server that lives keeps its cluster", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cst-"));
  const place = { data: join(folder, "pg"), socketFolder: folder };
  const quiet = jsonLog("test", () => {});
  const server = await startPostgres(place, quiet);
  try {
    const second = startPostgres({ ...place, socketFolder: join(folder, "pg") }, quiet);
    await expect(second).rejects.toMatchObject({ code: "postgres.start" });
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
