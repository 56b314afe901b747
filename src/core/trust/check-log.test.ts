import * as fc from "fast-check";
import { expect, test } from "vitest";

import { refusal } from "../../../test/fakes/refusal.ts";
import { newSigner } from "../../../test/fakes/releases.ts";
import { checkLog, runLogCheck } from "./check-log.ts";
import { formatCheckpoint } from "./checkpoint.ts";
import { sha256 } from "./digest.ts";
import type { Hash } from "./digest.ts";
import { concatBytes, writeUtf8 } from "./encodings.ts";
import { checkConsistency, checkInclusion, EMPTY_ROOT, leafHash } from "./merkle.ts";
import { noteSigner, signNote } from "./note.ts";
import { foldNodes, planConsistency, planInclusion } from "./proof-plan.ts";
import type { ProofPart } from "./proof-plan.ts";
import { decodeEntries, encodeEntries, entriesPath, hashOver, tilePath } from "./tile.ts";
import { TreeHasher } from "./tree-hasher.ts";

const SIGNER = noteSigner("log.example", newSigner("ed25519"));
const { verifierKey } = SIGNER;

/** The files of a log of `size` entries, by path; `prefix` makes other entries. */
function filesOf(size: number, prefix = "entry"): Map<string, Uint8Array> {
  const entries = Array.from({ length: size }, (_, index) => writeUtf8(`${prefix} ${index}`));
  const files = new Map<string, Uint8Array>([["checkpoint", checkpointOf(entries)]]);
  for (let at = 0; at < size; at += 256) {
    const part = entries.slice(at, at + 256);
    files.set(entriesPath(BigInt(at / 256), part.length), encodeEntries(part));
  }
  let row = entries.map((entry) => leafHash(entry));
  for (let level = 0; row.length > 0; level++) {
    const above: Hash[] = [];
    for (let at = 0; at < row.length; at += 256) {
      const part = row.slice(at, at + 256);
      files.set(tilePath(level, BigInt(at / 256), part.length), concatBytes(...part));
      if (part.length === 256) above.push(hashOver(part));
    }
    row = above;
  }
  return files;
}

function checkpointOf(entries: readonly Uint8Array[]): Uint8Array {
  const tree = new TreeHasher();
  for (const entry of entries) tree.append(leafHash(entry));
  return signNote(
    formatCheckpoint({ origin: SIGNER.name, size: tree.size, root: tree.root(), extensions: [] }),
    [SIGNER],
  );
}

const check = (files: Map<string, Uint8Array>, known?: Uint8Array) =>
  runLogCheck(known === undefined ? { verifierKey } : { verifierKey, known }, (path) =>
    files.get(path),
  );

test("checkLog() accepts logs of every shape, empty included, and asks for every file", () => {
  for (const size of [0, 1, 2, 255, 256, 257, 511, 512, 700]) {
    const files = filesOf(size);
    const asked = new Set<string>();
    const report = runLogCheck({ verifierKey }, (path) => (asked.add(path), files.get(path)));
    expect(report.size).toBe(BigInt(size));
    expect([...asked].toSorted()).toEqual([...files.keys()].toSorted());
  }
});

test("checkLog() refuses a log with any one file changed, cut, longer or missing", () => {
  const files = filesOf(300);
  for (const path of files.keys()) {
    const bytes = files.get(path) ?? new Uint8Array();
    const flipped = Uint8Array.from(bytes);
    flipped[flipped.length - 2] = (flipped.at(-2) ?? 0) ^ 1;
    for (const other of [
      flipped,
      bytes.slice(0, -1),
      concatBytes(bytes, Uint8Array.of(0)),
      undefined,
    ]) {
      const changed = new Map(files);
      if (other === undefined) changed.delete(path);
      else changed.set(path, other);
      expect([path, refusal(() => check(changed))]).not.toEqual([path, "accepted"]);
    }
  }
  expect(refusal(() => check(files))).toBe("accepted");
});

test("checkLog() takes a full tile where the partial one is gone", () => {
  const later = filesOf(256);
  const files = new Map([
    ...later,
    ["checkpoint", filesOf(200).get("checkpoint") ?? new Uint8Array()] as const,
  ]);
  expect(check(files).size).toBe(200n);
});

test("checkLog() compares the beginning with an earlier checkpoint", () => {
  const known = (size: number, prefix?: string) =>
    filesOf(size, prefix).get("checkpoint") ?? new Uint8Array();
  const files = filesOf(300);
  for (const size of [0, 1, 256, 299, 300])
    expect(check(files, known(size)).consistentWith).toBe(BigInt(size));
  for (const size of [1, 256, 300])
    expect(refusal(() => check(files, known(size, "other")))).toBe("log.fork");
  expect(refusal(() => check(files, known(301)))).toBe("log.fork");
});

test("checkLog() refuses another log's key, and a signed root that the entries do not give", () => {
  const other = noteSigner("log.example", newSigner("ed25519"));
  expect(
    refusal(() => runLogCheck({ verifierKey: other.verifierKey }, (path) => filesOf(3).get(path))),
  ).toBe("note.unverified");
  const files = filesOf(3);
  const lie = signNote(
    formatCheckpoint({ origin: SIGNER.name, size: 3n, root: EMPTY_ROOT, extensions: [] }),
    [SIGNER],
  );
  expect(refusal(() => check(new Map([...files, ["checkpoint", lie] as const])))).toBe(
    "tile.mismatch",
  );
  expect(checkLog({ verifierKey }).next().value).toBe("checkpoint");
});

const LEAVES = Array.from({ length: 600 }, (_, index) => sha256(writeUtf8(String(index))));
const rootOf = (size: number) => hashOver(LEAVES.slice(0, size));
const fold = (part: ProofPart): Hash =>
  foldNodes(
    part.map(({ level, index }) =>
      hashOver(LEAVES.slice(Number(index) << level, (Number(index) + 1) << level)),
    ),
  );

test("planInclusion() and planConsistency() give proofs that the checks accept, for any sizes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), fc.nat(), fc.nat(), (size, a, b) => {
      const [index, size1] = [a % size, 1 + (b % size)];
      checkInclusion(
        LEAVES[index] ?? EMPTY_ROOT,
        BigInt(index),
        BigInt(size),
        planInclusion(BigInt(index), BigInt(size)).map(fold),
        rootOf(size),
      );
      checkConsistency(
        BigInt(size1),
        BigInt(size),
        planConsistency(BigInt(size1), BigInt(size)).map(fold),
        rootOf(size1),
        rootOf(size),
      );
    }),
  );
});

test("TreeHasher.root() is the root of RFC 6962 at every size", () => {
  const tree = new TreeHasher();
  expect(tree.root()).toEqual(EMPTY_ROOT);
  for (const [index, leaf] of LEAVES.entries()) {
    tree.append(leaf);
    if (index % 37 === 0) expect(tree.root()).toEqual(rootOf(index + 1));
  }
});

test("tilePath() and entriesPath() spell indexes as C2SP does", () => {
  expect(tilePath(0, 1_234_067n, 256)).toBe("tile/0/x001/x234/067");
  expect(tilePath(2, 0n, 5)).toBe("tile/2/000.p/5");
  expect(entriesPath(1_000n, 256)).toBe("tile/entries/x001/000");
  for (const width of [0, 257, 1.5])
    expect(refusal(() => tilePath(0, 0n, width))).toBe("tile.malformed");
});

test("encodeEntries() and decodeEntries() hold entries up to 65,535 bytes", () => {
  const entries = [new Uint8Array(), new Uint8Array(65_535), Uint8Array.of(1)];
  expect(decodeEntries(encodeEntries(entries), 3)).toEqual(entries);
  expect(refusal(() => encodeEntries([new Uint8Array(65_536)]))).toBe("tile.malformed");
  expect(refusal(() => decodeEntries(encodeEntries(entries), 2))).toBe("tile.malformed");
  expect(refusal(() => decodeEntries(encodeEntries(entries), 4))).toBe("tile.malformed");
});
