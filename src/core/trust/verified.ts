const made = new WeakSet<object>();

/**
 * A value that a verifier of this domain has proved. Nothing else can make one: the constructor refuses, and
 * `Verified.is` knows instances by identity, not by shape.
 */
export class Verified<T> {
  readonly value: T;

  private constructor(value: T, token: typeof TOKEN) {
    if (token !== TOKEN) throw new TypeError("a verified value is made by its verifier alone");
    this.value = value;
    Object.freeze(this);
    made.add(this);
  }

  /** For the verifiers of this folder; not on the face. */
  static by<T>(token: typeof TOKEN, value: T): Verified<T> {
    return new Verified(value, token);
  }

  static is(candidate: unknown): candidate is Verified<unknown> {
    return typeof candidate === "object" && candidate !== null && made.has(candidate);
  }
}

const TOKEN: unique symbol = Symbol("verifier");

/** Marks a value as proved. Callers: the verifiers of this folder. */
export function markVerified<T>(value: T): Verified<T> {
  return Verified.by(TOKEN, value);
}
