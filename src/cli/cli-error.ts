import { CodedError } from "#trust";

export class CliError extends CodedError<
  | "usage"
  | "profile.missing"
  | "file.unreadable"
  | "file.unwritable"
  | "verdict.refused"
  | "install.failed"
  | "log.invalid"
  | "evidence.malformed"
  | "runner.unreachable"
> {
  override readonly name = "CliError";
}
