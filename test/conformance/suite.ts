import { CodedError } from "../../src/core/trust/index.ts";

export interface NotRun {
  readonly case: string;
  readonly reason: string;
}

export interface SuiteResult {
  readonly suite: string;
  readonly passed: number;
  /** Cases that ran. */
  readonly total: number;
  readonly failures: readonly string[];
  readonly notRun: readonly NotRun[];
  /** Facts beside the count, one a line. */
  readonly remarks: readonly string[];
}

/** Collects the cases of one suite. */
export class Suite {
  readonly #name: string;
  readonly #failures: string[] = [];
  readonly #notRun: NotRun[] = [];
  readonly #remarks: string[] = [];
  #total = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** Passes when `run` returns for a case that must verify, and is refused with a code for one that must not. */
  verdict(name: string, mustVerify: boolean, run: () => unknown): void {
    this.#total++;
    const outcome = attempt(run);
    if (outcome.ok !== mustVerify)
      this.#failures.push(
        `${name}: ${outcome.ok ? "accepted" : outcome.code}, wanted ${mustVerify ? "accepted" : "a refusal"}`,
      );
    if (!outcome.ok && outcome.code === "uncoded")
      this.#failures.push(`${name}: refused by an error without a code`);
  }

  check(name: string, holds: boolean): void {
    this.#total++;
    if (!holds) this.#failures.push(name);
  }

  skip(name: string, reason: string): void {
    this.#notRun.push({ case: name, reason });
  }

  remark(text: string): void {
    this.#remarks.push(text);
  }

  result(): SuiteResult {
    const failed = new Set(this.#failures.map((text) => text.split(": ")[0]));
    return {
      suite: this.#name,
      passed: this.#total - failed.size,
      total: this.#total,
      failures: this.#failures,
      notRun: this.#notRun,
      remarks: this.#remarks,
    };
  }
}

export function attempt(
  run: () => unknown,
): { readonly ok: true } | { readonly ok: false; readonly code: string } {
  try {
    run();
    return { ok: true };
  } catch (error) {
    return { ok: false, code: error instanceof CodedError ? error.code : "uncoded" };
  }
}
