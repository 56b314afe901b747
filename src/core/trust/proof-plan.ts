import type { Hash } from "./digest.ts";
import { nodeHash } from "./merkle.ts";
import { TrustError } from "./trust-error.ts";

/** A perfect subtree: entries [index·2^level, (index+1)·2^level). */
export interface TreeNode {
  readonly level: number;
  readonly index: bigint;
}

/** One hash of a proof, as the perfect subtrees that it is made of, left to right: fold them with foldNodes. */
export type ProofPart = readonly TreeNode[];

/** What the inclusion proof of entry `index` in a tree of `size` needs (RFC 9162, section 2.1.3.1), lowest level first. */
export function planInclusion(index: bigint, size: bigint): readonly ProofPart[] {
  if (index < 0n || index >= size)
    throw new TrustError("inclusion.invalid", `cannot prove entry ${index}: the tree has ${size}`);
  return siblings(index, index + 1n, 0n, size, true);
}

/** What the proof needs that a tree of `size1` is the beginning of one of `size2` (RFC 9162, section 2.1.4.1). */
export function planConsistency(size1: bigint, size2: bigint): readonly ProofPart[] {
  if (size1 < 1n || size1 > size2)
    throw new TrustError("consistency.invalid", `cannot compare trees of ${size1} and ${size2}`);
  return siblings(0n, size1, 0n, size2, true);
}

/** The perfect subtrees of entries [start, end), left to right. start: a multiple of the largest power of two in the range. */
export function perfectNodes(start: bigint, end: bigint): ProofPart {
  const nodes: TreeNode[] = [];
  for (let at = start; at < end;) {
    let level = 0;
    while (at % (2n << BigInt(level)) === 0n && at + (2n << BigInt(level)) <= end) level++;
    nodes.push({ level, index: at >> BigInt(level) });
    at += 1n << BigInt(level);
  }
  return nodes;
}

/** The hash of a range from the hashes of its perfect subtrees, left to right. */
export function foldNodes(hashes: readonly Hash[]): Hash {
  const last = hashes.at(-1);
  if (last === undefined) throw new TrustError("tile.missing", "cannot hash an empty range");
  return hashes.slice(0, -1).reduceRight<Hash>((right, left) => nodeHash(left, right), last);
}

/** SUBTREE_SUBPROOF of draft-ietf-plants-merkle-tree-certs, of [start, end) within [from, to). */
function siblings(
  start: bigint,
  end: bigint,
  from: bigint,
  to: bigint,
  known: boolean,
): readonly ProofPart[] {
  if (start === from && end === to) return known ? [] : [perfectNodes(from, to)];
  let half = 1n;
  while (half * 2n < to - from) half *= 2n;
  const middle = from + half;
  if (end <= middle)
    return [...siblings(start, end, from, middle, known), perfectNodes(middle, to)];
  if (start >= middle)
    return [...siblings(start, end, middle, to, known), perfectNodes(from, middle)];
  return [...siblings(middle, end, middle, to, false), perfectNodes(from, middle)];
}
