import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { newSigner } from "../../../test/fakes/releases.ts";
import { writeUtf8 } from "../../core/trust/index.ts";
import type { LogError } from "./log-error.ts";
import { openLog, verifyLogFolder } from "./open-log.ts";

function newFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), "caisson-log-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

const codeOf = (run: Promise<unknown>) =>
  run.then(
    () => "accepted",
    (error: LogError) => error.code,
  );

const OPTIONS = { origin: "log.example/files", signer: newSigner("ed25519") };

test("openLog() writes a folder that verifyLogFolder() accepts, and goes on from it", async () => {
  const dir = join(newFolder(), "deep/log");
  let checkpoint: Uint8Array;
  {
    await using log = await openLog({ ...OPTIONS, dir });
    await Promise.all(Array.from({ length: 300 }, (_, index) => log.append(writeUtf8(`${index}`))));
    checkpoint = log.readCheckpoint();
  }
  await using log = await openLog({ ...OPTIONS, dir });
  expect(log.size).toBe(300n);
  await log.append(writeUtf8("more"));
  expect(
    await verifyLogFolder(dir, { verifierKey: log.verifierKey, known: checkpoint }),
  ).toMatchObject({ size: 301n, consistentWith: 300n, root: log.root });
  expect(readdirSync(dir).toSorted()).toEqual([".lock", "checkpoint", "tile"]);
});

test("openLog() refuses a second writer, and takes over from one that is gone", async () => {
  const dir = newFolder();
  const first = await openLog({ ...OPTIONS, dir });
  expect(await codeOf(openLog({ ...OPTIONS, dir }))).toBe("log.locked");
  await first[Symbol.asyncDispose]();
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(join(dir, ".lock"), `${gone} 1 - x\n`);
  const second = await openLog({ ...OPTIONS, dir });
  await second[Symbol.asyncDispose]();
  // The same pid with another start time is another process.
  writeFileSync(join(dir, ".lock"), `${process.pid} 1 - x\n`);
  const third = await openLog({ ...OPTIONS, dir });
  await third[Symbol.asyncDispose]();
  expect(readdirSync(dir)).toEqual(["checkpoint"]);
});

test("verifyLogFolder() refuses a folder whose entries were changed", async () => {
  const dir = newFolder();
  await using log = await openLog({ ...OPTIONS, dir });
  await log.append(writeUtf8("one"));
  expect(await codeOf(verifyLogFolder(dir, { verifierKey: log.verifierKey }))).toBe("accepted");
  writeFileSync(join(dir, "tile/entries/000.p/1"), Uint8Array.of(0, 3, 0x74, 0x77, 0x6f));
  expect(await codeOf(verifyLogFolder(dir, { verifierKey: log.verifierKey }))).toBe(
    "tile.mismatch",
  );
});
