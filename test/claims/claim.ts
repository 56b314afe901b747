/** A check is taken out by replacing the only occurrence of `find` in a source file. */
export interface SourceEdit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Claim {
  /** The refusal test's name holds `[id]`, the accepting twin's `[id twin]`. */
  readonly id: string;
  readonly door: "publish" | "install" | "load" | "call" | "verify" | "api" | "start";
  /** What an operator can check. */
  readonly sentence: string;
  /** What they hold and try. */
  readonly attacker: string;
  /** Where the limit of the claim lies, if one could read more into it. */
  readonly notClaimed?: string;
  /** Where both tests stand. */
  readonly tests: string;
  /** Takes the check out, and whatever stands behind it. */
  readonly tooth: readonly SourceEdit[];
}

/** Makes the tooth that replaces a condition or a call. */
export function edit(file: string, find: string, replace: string): SourceEdit {
  return { file, find, replace };
}
