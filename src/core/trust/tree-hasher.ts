import type { Hash } from "./digest.ts";
import { EMPTY_ROOT, nodeHash } from "./merkle.ts";

/** Builds the root of a growing RFC 6962 tree from leaf hashes in order; holds one hash per set bit of the size. */
export class TreeHasher {
  /** Hashes of the perfect subtrees, largest first. */
  readonly #peaks: Hash[] = [];
  #size = 0n;

  get size(): bigint {
    return this.#size;
  }

  append(leaf: Hash): void {
    let hash = leaf;
    for (let carry = this.#size; (carry & 1n) === 1n; carry >>= 1n) {
      const left = this.#peaks.pop();
      if (left !== undefined) hash = nodeHash(left, hash);
    }
    this.#peaks.push(hash);
    this.#size++;
  }

  root(): Hash {
    return (
      this.#peaks.reduceRight<Hash | null>(
        (right, peak) => (right === null ? peak : nodeHash(peak, right)),
        null,
      ) ?? EMPTY_ROOT
    );
  }
}
