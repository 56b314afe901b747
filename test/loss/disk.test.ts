import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import { pack } from "../e2e/caisson.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { runCli } from "../e2e/run-cli.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { prepare, start } from "../e2e/start-production.ts";
import { lastAnswer, until } from "../e2e/until.ts";

const LONG_MS = 300_000;
const isRoot = process.getuid?.() === 0;

interface SmallDisk extends Disposable {
  readonly folder: string;
  /** Leaves no byte of it free. */
  fill(): void;
  free(): void;
  readOnly(yes: boolean): void;
}

/** A real file system of that size. */
function smallDisk(size: string): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), "cai-d-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder]);
  const filler = join(folder, "filler");
  return {
    folder,
    fill() {
      try {
        for (let i = 0; ; i++)
          writeFileSync(`${filler}${i}`, Buffer.alloc(i < 200 ? 4_194_304 : 4_096));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    },
    free: () => execFileSync("find", [folder, "-maxdepth", "1", "-name", "filler*", "-delete"]),
    readOnly: (yes) => void execFileSync("mount", ["-o", `remount,${yes ? "ro" : "rw"}`, folder]),
    [Symbol.dispose]() {
      execFileSync("umount", ["-l", folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The request id of a call that was answered with the extension's own answer; null where it was refused. */
async function called(caisson: Caisson): Promise<string | null> {
  const response = await fetch(`http://127.0.0.1:${caisson.gatewayPort}/api/ext/acme.there`, {
    headers: { authorization: `Bearer ${caisson.north.key}` },
  });
  await response.text();
  return response.status === 200 ? response.headers.get("x-request-id") : null;
}

test.runIf(isRoot)(
  "on a full disk nothing is answered that is not kept, refusals say why, and all goes on once there is room",
  async () => {
    using disk = smallDisk("420m");
    await using caisson = await startCaisson({}, disk.folder);
    await caisson.serve({ name: "there" });
    const answered: string[] = [];
    disk.fill();
    const artifact = caisson.sign(await pack({ name: "late" }));
    await expect(caisson.publish(artifact)).rejects.toThrow(/disk|store|unreachable|database/);
    // Calls go on until the gateway has met the full disk; then they are refused.
    await until("calls to be refused", async () => {
      const id = await called(caisson);
      if (id !== null) answered.push(id);
      return id === null ? true : null;
    });
    const { code } = await caisson.call(caisson.north.key, "/api/ext/acme.there");
    expect(code).toBe("policy.unavailable");
    disk.free();
    const again = await lastAnswer(
      async () => {
        const id = await called(caisson).catch(() => null);
        if (id !== null) answered.push(id);
        const { code } = await caisson.call(caisson.north.key, "/api/ext/acme.there");
        return id === null ? code : "answered";
      },
      (said) => said === "answered",
      60_000,
    );
    expect(again, caisson.output.slice(-3_000)).toBe("answered");
    await until("control to publish", async () =>
      (await caisson.publish(artifact).catch(() => "")) === "admitted" ? true : null,
    );
    await until("every record", async () => {
      const rows = await caisson
        .sql("select request_id from extension_execution_log where request_id = any($1)", [
          answered,
        ])
        .catch(() => []);
      return rows.length === answered.length ? true : null;
    });
    for (const name of ["artifacts", "audit"]) {
      const folder = join(caisson.data, "logs", name);
      const { exit } = await runCli(["log", "verify", folder, "--vkey", `${folder}.vkey`]);
      expect(exit, name).toBe(0);
    }
    const { items } = await call(caisson.operator, operations.artifactList);
    expect(items.map(({ extension }) => extension)).toContain("acme.there");
  },
  LONG_MS,
);

test.runIf(isRoot)(
  "on a read-only disk nothing starts, the message says so, and nothing is harmed",
  async () => {
    using disk = smallDisk("420m");
    await using prepared = await prepare();
    const settings = { ...prepared.settings, CAISSON_DATA: join(disk.folder, "data") };
    const outcome = async () => {
      await using run = start(settings);
      return await run.outcome;
    };
    expect(await outcome()).toBe("started");
    disk.readOnly(true);
    const said = await outcome();
    expect(said).toMatch(/\[(data\.unwritable|data\.in-use)\]|EROFS/);
    expect(said).toContain(join(disk.folder, "data"));
    disk.readOnly(false);
    expect(await outcome()).toBe("started");
  },
  LONG_MS,
);
