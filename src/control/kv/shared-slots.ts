/** So many pieces of work at once, of one owner fewer; those who wait are let in owner after owner. */
export class SharedSlots {
  readonly #perOwner: number;
  readonly #busy = new Map<string, number>();
  /** Whose turn it is next comes first. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #free: number;

  constructor(all: number, perOwner: number) {
    this.#free = all;
    this.#perOwner = perOwner;
  }

  async take<T>(owner: string, work: () => Promise<T>): Promise<T> {
    if (this.#mayEnter(owner)) this.#enter(owner);
    else await this.#called(owner);
    try {
      return await work();
    } finally {
      this.#leave(owner);
    }
  }

  #mayEnter(owner: string): boolean {
    return this.#free > 0 && (this.#busy.get(owner) ?? 0) < this.#perOwner;
  }

  #enter(owner: string): void {
    this.#free -= 1;
    this.#busy.set(owner, (this.#busy.get(owner) ?? 0) + 1);
  }

  #called(owner: string): Promise<void> {
    return new Promise((resolve) => {
      const line = this.#waiting.get(owner) ?? [];
      line.push(resolve);
      this.#waiting.set(owner, line);
    });
  }

  #leave(owner: string): void {
    this.#free += 1;
    const left = (this.#busy.get(owner) ?? 1) - 1;
    if (left === 0) this.#busy.delete(owner);
    else this.#busy.set(owner, left);
    this.#callNext();
  }

  #callNext(): void {
    for (const [owner, line] of this.#waiting) {
      if (!this.#mayEnter(owner)) continue;
      // The owner's other work waits behind everybody else's.
      this.#waiting.delete(owner);
      const next = line.shift();
      if (line.length > 0) this.#waiting.set(owner, line);
      this.#enter(owner);
      return next?.();
    }
  }
}
