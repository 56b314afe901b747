import { asHash, HASH_BYTES, sha256 } from "./digest.ts";
import type { Hash } from "./digest.ts";
import { equalBytes } from "./encodings.ts";
import { TrustError } from "./trust-error.ts";

/** A proof in a tree below 2^64 has at most 63 + 1 hashes; stops: endless proofs. */
export const MAX_PROOF_HASHES = 64;
const MAX_TREE_SIZE = 1n << 64n;

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** Root of the tree without entries: SHA-256 of nothing. */
export const EMPTY_ROOT: Hash = sha256();

export function leafHash(entry: Uint8Array): Hash {
  return sha256(LEAF, entry);
}

export function nodeHash(left: Hash, right: Hash): Hash {
  return sha256(NODE, left, right);
}

/**
 * Proves that `leaf` is entry `index` of the tree of `size` entries closed by `root` (RFC 9162, section 2.1.3.2).
 * size: below 2^64; index: from 0, below size; proof: attacker-controlled, lowest level first.
 * Throws TrustError "inclusion.invalid"; a proof with hashes left over is invalid too.
 */
export function checkInclusion(
  leaf: Uint8Array,
  index: bigint,
  size: bigint,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): void {
  const hashes = readProof(proof, "inclusion.invalid");
  if (index < 0n || index >= size || size > MAX_TREE_SIZE)
    refuse("inclusion.invalid", `entry ${index} lies outside a tree of ${size}`);
  let [fn, sn] = [index, size - 1n];
  let hash = readHash(leaf, "inclusion.invalid");
  for (const sibling of hashes) {
    if (sn === 0n) refuse("inclusion.invalid", "the proof has hashes left over");
    if (odd(fn) || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (!odd(fn) && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  if (sn !== 0n || !equalBytes(hash, root))
    refuse("inclusion.invalid", "the proof does not lead to the root");
}

/**
 * Proves that the tree of `size1` entries with `root1` is the beginning of the tree of `size2` with `root2`
 * (RFC 9162, section 2.1.4.2). An empty first tree is refused: such a proof would say nothing.
 * proof, roots: attacker-controlled. Throws TrustError "consistency.invalid".
 */
export function checkConsistency(
  size1: bigint,
  size2: bigint,
  proof: readonly Uint8Array[],
  root1: Uint8Array,
  root2: Uint8Array,
): void {
  if (size1 < 1n || size1 > size2 || size2 > MAX_TREE_SIZE)
    refuse("consistency.invalid", `sizes ${size1} and ${size2} cannot be compared`);
  walkSubtree(
    { start: 0n, end: size1, size: size2 },
    readProof(proof, "consistency.invalid"),
    root1,
    root2,
    "consistency.invalid",
  );
}

/**
 * Proves that `leaf` is entry `index` of the log, within the subtree of entries [start, end) whose hash is `root`
 * (draft-ietf-plants-merkle-tree-certs, section 4.3). Throws TrustError "inclusion.invalid", "subtree.invalid".
 */
export function checkSubtreeInclusion(
  leaf: Uint8Array,
  index: bigint,
  start: bigint,
  end: bigint,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): void {
  requireSubtree(start, end);
  if (index < start || index >= end)
    refuse("inclusion.invalid", `entry ${index} lies outside [${start}, ${end})`);
  checkInclusion(leaf, index - start, end - start, proof, root);
}

/**
 * Proves that the subtree of entries [start, end) with hash `subtreeRoot` is part of the tree of `size` with `root`
 * (draft-ietf-plants-merkle-tree-certs, section 4.4). The empty subtree is part of every tree: its hash must be
 * EMPTY_ROOT and its proof empty, and nothing is said about `root`. Throws TrustError "consistency.invalid", "subtree.invalid".
 */
export function checkSubtreeConsistency(
  start: bigint,
  end: bigint,
  size: bigint,
  proof: readonly Uint8Array[],
  subtreeRoot: Uint8Array,
  root: Uint8Array,
): void {
  const hashes = readProof(proof, "consistency.invalid");
  if (start < 0n || end > size || size > MAX_TREE_SIZE)
    refuse("subtree.invalid", `[${start}, ${end}) is no part of a tree of ${size}`);
  if (start === end) {
    if (hashes.length > 0 || !equalBytes(subtreeRoot, EMPTY_ROOT))
      refuse("consistency.invalid", "the empty subtree has one hash and no proof");
    return;
  }
  requireSubtree(start, end);
  walkSubtree({ start, end, size }, hashes, subtreeRoot, root, "consistency.invalid");
}

/** [start, end) is a subtree when start is a multiple of the smallest power of two that holds end − start entries. */
function requireSubtree(start: bigint, end: bigint): void {
  if (start < 0n || start >= end || end > MAX_TREE_SIZE)
    refuse("subtree.invalid", `[${start}, ${end}) holds no entries`);
  let width = 1n;
  while (width < end - start) width <<= 1n;
  if (start % width !== 0n) refuse("subtree.invalid", `[${start}, ${end}) is not aligned`);
}

interface Span {
  readonly start: bigint;
  readonly end: bigint;
  readonly size: bigint;
}

/** Positions of the first and last entry of the part and of the last entry of the tree, on the level reached so far. */
interface Climb {
  first: bigint;
  last: bigint;
  tree: bigint;
}

function walkSubtree(
  span: Span,
  proof: readonly Hash[],
  subtreeRoot: Uint8Array,
  root: Uint8Array,
  code: "consistency.invalid",
): void {
  if (span.start === 0n && span.end === span.size) {
    if (proof.length > 0 || !equalBytes(subtreeRoot, root))
      refuse(code, "the whole tree has one root and no proof");
    return;
  }
  const at: Climb = { first: span.start, last: span.end - 1n, tree: span.size - 1n };
  if (at.last === at.tree) while (at.first !== at.last) climb(at);
  else while (at.first !== at.last && odd(at.last)) climb(at);
  const whole = at.first === at.last;
  const seed = whole ? readHash(subtreeRoot, code) : proof[0];
  if (seed === undefined) refuse(code, "the proof is too short");
  let [inner, outer] = [seed, seed];
  for (const sibling of whole ? proof : proof.slice(1)) {
    if (at.tree === 0n) refuse(code, "the proof has hashes left over");
    if (odd(at.last) || at.last === at.tree) {
      if (at.first < at.last) inner = nodeHash(sibling, inner);
      outer = nodeHash(sibling, outer);
      while (!odd(at.last) && at.last !== 0n) climb(at);
    } else {
      outer = nodeHash(outer, sibling);
    }
    climb(at);
  }
  if (at.tree !== 0n) refuse(code, "the proof is too short");
  if (!equalBytes(inner, subtreeRoot))
    refuse(code, "the proof does not lead to the hash of the part");
  if (!equalBytes(outer, root)) refuse(code, "the proof does not lead to the root");
}

function climb(at: Climb): void {
  at.first >>= 1n;
  at.last >>= 1n;
  at.tree >>= 1n;
}

function odd(value: bigint): boolean {
  return (value & 1n) === 1n;
}

function readProof(
  proof: readonly Uint8Array[],
  code: "inclusion.invalid" | "consistency.invalid",
): readonly Hash[] {
  if (proof.length > MAX_PROOF_HASHES)
    refuse(code, `the proof has ${proof.length} hashes, wanted at most ${MAX_PROOF_HASHES}`);
  return proof.map((hash) => readHash(hash, code));
}

function readHash(bytes: Uint8Array, code: "inclusion.invalid" | "consistency.invalid"): Hash {
  if (bytes.length !== HASH_BYTES) refuse(code, `wanted hashes of ${HASH_BYTES} bytes`);
  return asHash(bytes);
}

function refuse(
  code: "inclusion.invalid" | "consistency.invalid" | "subtree.invalid",
  why: string,
): never {
  throw new TrustError(code, `cannot accept a tree proof: ${why}`);
}
