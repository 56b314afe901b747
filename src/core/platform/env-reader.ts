import { CodedError, quote } from "#trust";

export class ConfigError extends CodedError<"config.invalid"> {
  override readonly name = "ConfigError";
}

interface IntRule {
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

/** Reads settings by name and collects every bad one, so that one start shows them all. */
export class EnvReader {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #bad: string[] = [];

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  text(name: string, fallback: string): string {
    return this.#env[name] ?? fallback;
  }

  optional(name: string): string | null {
    const value = this.#env[name];
    return value === undefined || value === "" ? null : value;
  }

  required(name: string): string {
    const value = this.#env[name];
    if (value === undefined || value === "") this.refuse(name, "required and not set");
    return value ?? "";
  }

  choice<T extends string>(name: string, values: readonly T[], fallback: T): T {
    const value = this.#env[name] ?? fallback;
    const found = values.find((known) => known === value);
    if (found === undefined) this.refuse(name, `${quote(value)} is none of ${values.join(", ")}`);
    return found ?? fallback;
  }

  int(name: string, rule: IntRule): number {
    const text = this.#env[name];
    if (text === undefined || text === "") return rule.default;
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= rule.min && value <= rule.max)) {
      this.refuse(name, `${quote(text)} is not a whole number from ${rule.min} to ${rule.max}`);
      return rule.default;
    }
    return value;
  }

  refuse(name: string, why: string): void {
    const said = `${name}: ${why}`;
    if (!this.#bad.includes(said)) this.#bad.push(said);
  }

  /** Throws ConfigError "config.invalid" that names every bad setting; else returns the frozen value. */
  done<T extends object>(value: T): Readonly<T> {
    if (this.#bad.length > 0)
      throw new ConfigError("config.invalid", `cannot start: ${this.#bad.join("; ")}`);
    return Object.freeze(value);
  }
}
