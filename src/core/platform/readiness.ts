/** One thing that must hold before a process can do its work. */
export interface ReadyCheck {
  readonly name: string;
  readonly ok: boolean;
}

/** Whether a process can do its work now, and what keeps it from that. */
export class Readiness {
  readonly #checks = new Map<string, () => boolean | Promise<boolean>>();
  #leaving = false;

  /** A check that throws does not hold. */
  add(name: string, holds: () => boolean | Promise<boolean>): void {
    this.#checks.set(name, holds);
  }

  /** From now on not ready: what is asked of this process is to be asked of another one. */
  leave(): void {
    this.#leaving = true;
  }

  get leaving(): boolean {
    return this.#leaving;
  }

  async look(): Promise<{ readonly ready: boolean; readonly checks: readonly ReadyCheck[] }> {
    const checks = await Promise.all(
      [...this.#checks].map(async ([name, holds]) => ({ name, ok: await tried(holds) })),
    );
    const all = [...checks, { name: "not-leaving", ok: !this.#leaving }];
    return { ready: all.every(({ ok }) => ok), checks: all };
  }
}

async function tried(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await holds();
  } catch {
    return false;
  }
}
