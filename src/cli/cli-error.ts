import { CodedError } from "#trust";

export class CliError extends CodedError<
  | "usage"
  | "profile.missing"
  | "file.unreadable"
  | "verdict.refused"
  | "install.failed"
  | "log.invalid"
> {
  override readonly name = "CliError";
}
