import { expect, test } from "vitest";

import { CrashingDisk } from "../../../test/fakes/crashing-disk.ts";
import { refusal } from "../../../test/fakes/refusal.ts";
import { newSigner, seededRandom } from "../../../test/fakes/releases.ts";
import {
  checkConsistency,
  checkInclusion,
  leafHash,
  openCheckpoint,
  parseVerifierKey,
  runLogCheck,
  TreeHasher,
  writeUtf8,
} from "../../core/trust/index.ts";
import type { Hash } from "../../core/trust/index.ts";
import type { LogError } from "./log-error.ts";
import { MAX_BATCH, TileLog } from "./tile-log.ts";

const OPTIONS = { origin: "log.example/test", signer: newSigner("ed25519") };
const entry = (index: number) => writeUtf8(`entry ${index}`);
const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => entry(from + at));
const appendAll = (log: TileLog, entries: readonly Uint8Array[]) =>
  Promise.all(entries.map((bytes) => log.append(bytes)));
const report = (disk: CrashingDisk, log: TileLog, known?: Uint8Array) =>
  runLogCheck(
    known === undefined
      ? { verifierKey: log.verifierKey }
      : { verifierKey: log.verifierKey, known },
    (path) => disk.readNow(path),
  );

function rootsUpTo(size: number): Hash[] {
  const tree = new TreeHasher();
  return Array.from({ length: size + 1 }, (_, at) => {
    if (at > 0) tree.append(leafHash(entry(at - 1)));
    return tree.root();
  });
}

async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => "accepted",
    (error: LogError) => error.code,
  );
}

test("TileLog.append() answers with an index, proof and signed checkpoint that verify, for entries together and alone", async () => {
  const disk = new CrashingDisk();
  const log = await TileLog.on(disk, OPTIONS);
  const answers = [
    ...(await appendAll(log, range(0, 300))),
    await log.append(entry(300)),
    ...(await appendAll(log, range(301, 700))),
  ];
  for (const [index, { index: at, size, root, proof, checkpoint }] of answers.entries()) {
    expect(at).toBe(BigInt(index));
    checkInclusion(leafHash(entry(index)), at, size, proof, root);
    expect(openCheckpoint(checkpoint, parseVerifierKey(log.verifierKey))).toMatchObject({
      size,
      root,
    });
  }
  expect(log.root).toEqual(rootsUpTo(700)[700]);
  expect(report(disk, log).size).toBe(700n);
});

test("TileLog writes exactly the files of C2SP tlog-tiles, and drops partial tiles once full", async () => {
  const disk = new CrashingDisk();
  const log = await TileLog.on(disk, OPTIONS);
  expect(disk.paths).toEqual(["checkpoint"]);
  expect(report(disk, log).size).toBe(0n);
  await appendAll(log, range(0, 255));
  expect(disk.paths).toEqual(["checkpoint", "tile/0/000.p/255", "tile/entries/000.p/255"]);
  await log.append(entry(255));
  await log[Symbol.asyncDispose]();
  expect(disk.paths).toEqual(["checkpoint", "tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
  await (await TileLog.on(disk, OPTIONS)).append(entry(256));
  expect(disk.paths).toContain("tile/0/001.p/1");
});

test("TileLog gives inclusion and consistency proofs between any two sizes, and its entries", async () => {
  const log = await TileLog.on(new CrashingDisk(), OPTIONS);
  await appendAll(log, range(0, 600));
  const roots = rootsUpTo(600);
  const rootAt = (size: number) => roots[size] ?? log.root;
  for (const [index, size] of [
    [0, 1],
    [0, 600],
    [255, 256],
    [256, 257],
    [511, 600],
    [599, 600],
    [3, 300],
  ] as const)
    checkInclusion(
      leafHash(entry(index)),
      BigInt(index),
      BigInt(size),
      await log.inclusionProof(BigInt(index), BigInt(size)),
      rootAt(size),
    );
  for (const [size1, size2] of [
    [1, 600],
    [256, 600],
    [255, 257],
    [600, 600],
    [1, 1],
    [511, 513],
  ] as const)
    checkConsistency(
      BigInt(size1),
      BigInt(size2),
      await log.consistencyProof(BigInt(size1), BigInt(size2)),
      rootAt(size1),
      rootAt(size2),
    );
  expect((await log.entries(254n)).map((bytes) => Buffer.from(bytes).toString())).toEqual([
    "entry 254",
    "entry 255",
  ]);
  expect(await log.entries(512n)).toHaveLength(88);
  expect(await log.entries(600n)).toEqual([]);
  for (const run of [
    () => log.inclusionProof(600n, 600n),
    () => log.inclusionProof(0n, 601n),
    () => log.consistencyProof(0n, 1n),
    () => log.consistencyProof(2n, 1n),
  ])
    expect(refusal(() => void run())).toBe("log.range");
});

test("TileLog.append() answers an equal entry with its first index when asked to, within a batch and after a restart", async () => {
  const disk = new CrashingDisk();
  const log = await TileLog.on(disk, { ...OPTIONS, dedup: true });
  const [first, again] = await appendAll(log, [entry(1), entry(1), entry(2)]);
  expect([first?.index, first?.duplicate, again?.index, again?.duplicate]).toEqual([
    0n,
    false,
    0n,
    true,
  ]);
  await appendAll(log, range(3, 400));
  const reopened = await TileLog.on(disk, { ...OPTIONS, dedup: true });
  const third = await reopened.append(entry(1));
  expect([third.index, third.duplicate, reopened.size]).toEqual([0n, true, log.size]);
  checkInclusion(leafHash(entry(1)), 0n, third.size, third.proof, third.root);
  const plain = await TileLog.on(disk, OPTIONS);
  expect((await plain.append(entry(1))).index).toBe(log.size);
});

test("TileLog.append() refuses entries above 65,535 bytes, and any entry after closing", async () => {
  const log = await TileLog.on(new CrashingDisk(), OPTIONS);
  expect(await codeOf(log.append(new Uint8Array(65_536)))).toBe("log.entry-size");
  expect(await codeOf(log.append(new Uint8Array(65_535)))).toBe("accepted");
  const last = log.append(entry(1));
  await log[Symbol.asyncDispose]();
  expect((await last).index).toBe(1n);
  expect(await codeOf(log.append(entry(2)))).toBe("log.closed");
});

test("TileLog.on() refuses another key, another origin, changed tiles, and tiles without a checkpoint", async () => {
  const disk = new CrashingDisk();
  await appendAll(await TileLog.on(disk, OPTIONS), range(0, 300));
  const open = (options = OPTIONS, on = disk) => codeOf(TileLog.on(on, options));
  expect(await open()).toBe("accepted");
  expect(await open({ ...OPTIONS, signer: newSigner("ed25519") })).toBe("log.origin");
  expect(await open({ ...OPTIONS, origin: "log.example/other" })).toBe("log.origin");
  for (const path of ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"]) {
    const bytes = disk.readNow(path) ?? new Uint8Array();
    for (const bad of [
      bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte)),
      bytes.slice(1),
    ]) {
      await disk.writeFile(path, bad);
      expect([path, await open()]).toEqual([path, "log.corrupt"]);
    }
    await disk.writeFile(path, bytes);
    expect(await open()).toBe("accepted");
  }
  await disk.rename("checkpoint", "elsewhere");
  expect(await open()).toBe("log.corrupt");
});

test("TileLog refuses appends after a failed write until it is opened again", async () => {
  const disk = new CrashingDisk(30);
  const log = await TileLog.on(disk, OPTIONS);
  const codes: string[] = [];
  for (const index of [0, 1, 2, 3]) codes.push(await codeOf(log.append(entry(index))));
  expect(codes[0]).toBe("accepted");
  expect(codes.slice(-2)).toEqual(["log.unavailable", "log.unavailable"]);
});

/** Appends of these sizes, one after the other: first tiles, a full tile, a new level, a batch across two tiles. */
const BATCHES = [1, 3, 250, 5, 60, 2] as const;

async function runBatches(
  disk: CrashingDisk,
): Promise<{ acknowledged: number; checkpoint: Uint8Array | null }> {
  let [acknowledged, sent] = [0, 0];
  let checkpoint: Uint8Array | null = null;
  try {
    const log = await TileLog.on(disk, OPTIONS);
    for (const count of BATCHES) {
      const answers = await appendAll(log, range(sent, (sent += count)));
      acknowledged = sent;
      checkpoint = answers.at(-1)?.checkpoint ?? checkpoint;
    }
  } catch {
    // The power is cut: what was answered until then is all that was promised.
  }
  return { acknowledged, checkpoint };
}

test("TileLog has the same root after a power cut at any operation, keeps all it answered, and goes on", async () => {
  const calm = new CrashingDisk();
  const total = BATCHES.reduce((sum, count) => sum + count, 0);
  expect((await runBatches(calm)).acknowledged).toBe(total);
  expect(calm.operations).toBeGreaterThan(60);
  const roots = rootsUpTo(total);
  for (let cutAt = 1; cutAt <= calm.operations; cutAt++) {
    const disk = new CrashingDisk(cutAt);
    const { acknowledged, checkpoint } = await runBatches(disk);
    for (const seed of [1, 2]) {
      const left = disk.afterCut(seededRandom(cutAt * 10 + seed));
      const log = await TileLog.on(left, OPTIONS);
      const size = Number(log.size);
      expect([cutAt, size >= acknowledged, size <= total]).toEqual([cutAt, true, true]);
      expect([cutAt, log.root]).toEqual([cutAt, roots[size]]);
      if (checkpoint !== null) report(left, log, checkpoint);
      await appendAll(log, range(size, total));
      expect(log.root).toEqual(roots[total]);
      expect(report(left, log).root).toEqual(roots[total]);
    }
  }
});

test("TileLog commits what arrives together at once, and bounds a commit", async () => {
  const disk = new CrashingDisk();
  const log = await TileLog.on(disk, OPTIONS);
  const before = disk.operations;
  const answers = await appendAll(log, range(0, 2 * MAX_BATCH + 1));
  expect(new Set(answers.map(({ size }) => size)).size).toBe(3);
  expect(disk.operations - before).toBeLessThan(200);
});
