import { CodedError } from "#trust";

export type LogCode =
  | "log.locked"
  | "log.corrupt"
  | "log.origin"
  | "log.unavailable"
  | "log.closed"
  | "log.overloaded"
  | "log.entry-size"
  | "log.range";

/** Thrown by `#log`. */
export class LogError extends CodedError<LogCode> {
  override readonly name = "LogError";
}
