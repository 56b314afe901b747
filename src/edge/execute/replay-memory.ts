import { limits } from "#contract";

export type Use = "first" | "again" | "full";

/**
 * Which tokens were used: each is kept until its time is over, so that nothing it was used for can be repeated. Bounded: a
 * memory that is full takes no token at all. It does not outlive the process: tokens name the runner's present start.
 */
export class ReplayMemory {
  readonly #max: number;
  readonly #used = new Set<string>();
  /** By the second in which they are over. */
  readonly #byEnd = new Map<number, string[]>();
  #swept = 0;

  constructor(max: number = limits.executeReplays.value) {
    this.#max = max;
  }

  get size(): number {
    return this.#used.size;
  }

  /** token: names it among all; expiresAt, now: Unix seconds. */
  use(token: string, expiresAt: number, now: number): Use {
    if (this.#used.has(token)) return "again";
    if (now > this.#swept) this.#sweep(now);
    if (this.#used.size >= this.#max) return "full";
    this.#used.add(token);
    const end = this.#byEnd.get(expiresAt);
    if (end === undefined) this.#byEnd.set(expiresAt, [token]);
    else end.push(token);
    return "first";
  }

  /** A token that is over is refused before it is asked for here. */
  #sweep(now: number): void {
    this.#swept = now;
    for (const [end, tokens] of this.#byEnd) {
      if (end >= now) continue;
      for (const token of tokens) this.#used.delete(token);
      this.#byEnd.delete(end);
    }
  }
}
