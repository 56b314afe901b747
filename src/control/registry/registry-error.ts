import { CodedError } from "#trust";
import type { Verdict } from "#policy";

export class RegistryError extends CodedError<
  | "blob.unknown"
  | "manifest.invalid"
  | "digest.mismatch"
  | "upload.unknown"
  | "upload.range"
  | "request.too_large"
  | "artifact.unknown"
  | "version.exists"
  | "install.unknown"
  | "anchor.unknown"
  | "verdict.unknown"
  | "keys.sealed"
  | "keys.open"
> {
  override readonly name = "RegistryError";
}

/** A door said no; the verdict holds the reasons. */
export class RefusedError extends CodedError<
  "publish.refused" | "install.refused" | "version.exists"
> {
  override readonly name = "RefusedError";
  readonly verdict: Verdict;

  constructor(
    code: "publish.refused" | "install.refused" | "version.exists",
    message: string,
    verdict: Verdict,
  ) {
    super(code, message);
    this.verdict = verdict;
  }
}
