import * as fc from "fast-check";
import { expect, test } from "vitest";

import type { Hash } from "./digest.ts";
import {
  checkConsistency,
  checkInclusion,
  checkSubtreeConsistency,
  checkSubtreeInclusion,
  EMPTY_ROOT,
  leafHash,
  nodeHash,
} from "./merkle.ts";
import { refusal } from "../../../test/fakes/refusal.ts";

/** MTH, PATH and SUBTREE_SUBPROOF as the specifications define them: recursive, slow, and nothing shared with the checks. */
function root(leaves: readonly Hash[]): Hash {
  const [only] = leaves;
  if (only === undefined) return EMPTY_ROOT;
  if (leaves.length === 1) return only;
  const k = split(leaves.length);
  return nodeHash(root(leaves.slice(0, k)), root(leaves.slice(k)));
}

function path(index: number, leaves: readonly Hash[]): Hash[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return index < k ? [...path(index, left), root(right)] : [...path(index - k, right), root(left)];
}

function subproof(start: number, end: number, leaves: readonly Hash[], known: boolean): Hash[] {
  if (start === 0 && end === leaves.length) return known ? [] : [root(leaves)];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  if (end <= k) return [...subproof(start, end, left, known), root(right)];
  if (k <= start) return [...subproof(start - k, end - k, right, known), root(left)];
  return [...subproof(0, end - k, right, false), root(left)];
}

function split(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

const LEAVES = Array.from({ length: 70 }, (_, index) => leafHash(Uint8Array.of(index)));

function flip(hash: Hash): Hash {
  const copy = Uint8Array.from(hash);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return leafHash(copy);
}

test("checkInclusion() accepts every entry of every tree up to 70 and refuses each with one thing changed", () => {
  for (let size = 1; size <= LEAVES.length; size++) {
    const leaves = LEAVES.slice(0, size);
    const top = root(leaves);
    for (const [index, leaf] of leaves.entries()) {
      const proof = path(index, leaves);
      checkInclusion(leaf, BigInt(index), BigInt(size), proof, top);
      expect(
        refusal(() => checkInclusion(flip(leaf), BigInt(index), BigInt(size), proof, top)),
      ).toBe("inclusion.invalid");
      expect(
        refusal(() => checkInclusion(leaf, BigInt(index), BigInt(size), [...proof, leaf], top)),
      ).toBe("inclusion.invalid");
      expect(refusal(() => checkInclusion(leaf, BigInt(index + 1), BigInt(size), proof, top))).toBe(
        "inclusion.invalid",
      );
    }
  }
});

test("checkConsistency() accepts every pair of sizes up to 40 and refuses size1 = 0, swapped roots and longer proofs", () => {
  for (let size2 = 1; size2 <= 40; size2++) {
    const root2 = root(LEAVES.slice(0, size2));
    for (let size1 = 1; size1 <= size2; size1++) {
      const root1 = root(LEAVES.slice(0, size1));
      const proof = subproof(0, size1, LEAVES.slice(0, size2), true);
      const check = (p: readonly Hash[], a: Hash, b: Hash) => () =>
        checkConsistency(BigInt(size1), BigInt(size2), p, a, b);
      check(proof, root1, root2)();
      expect(refusal(check([...proof, root1], root1, root2))).toBe("consistency.invalid");
      expect(refusal(check(proof, flip(root1), root2))).toBe("consistency.invalid");
      expect(refusal(check(proof, root1, flip(root2)))).toBe("consistency.invalid");
    }
    expect(refusal(() => checkConsistency(0n, BigInt(size2), [], EMPTY_ROOT, root2))).toBe(
      "consistency.invalid",
    );
  }
});

test("checkSubtreeConsistency() and checkSubtreeInclusion() accept every subtree up to 33 and refuse a changed hash", () => {
  for (let size = 1; size <= 33; size++) {
    const top = root(LEAVES.slice(0, size));
    for (let start = 0; start < size; start++) {
      for (let end = start + 1; end <= size; end++) {
        const part = root(LEAVES.slice(start, end));
        const proof = aligned(start, end) ? subproof(start, end, LEAVES.slice(0, size), true) : [];
        const check = (hash: Hash) => () =>
          checkSubtreeConsistency(BigInt(start), BigInt(end), BigInt(size), proof, hash, top);
        if (aligned(start, end)) {
          check(part)();
          expect(refusal(check(flip(part)))).toBe("consistency.invalid");
          const leaf = LEAVES[start] ?? EMPTY_ROOT;
          checkSubtreeInclusion(
            leaf,
            BigInt(start),
            BigInt(start),
            BigInt(end),
            path(0, LEAVES.slice(start, end)),
            part,
          );
        } else {
          expect(refusal(check(part))).toBe("subtree.invalid");
        }
      }
    }
  }
});

test("checkInclusion() ends with a refusal for any numbers and any proof", () => {
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(
      fc.bigInt(),
      fc.bigInt(),
      fc.array(hash, { maxLength: 70 }),
      hash,
      (index, size, proof, leaf) => {
        expect(refusal(() => checkInclusion(leaf, index, size, proof, EMPTY_ROOT))).toBe(
          "inclusion.invalid",
        );
      },
    ),
  );
});

function aligned(start: number, end: number): boolean {
  let width = 1;
  while (width < end - start) width *= 2;
  return start % width === 0;
}
