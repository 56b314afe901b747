import { CodedError } from "#trust";

/** Of the native processes. A refusal of the sandbox keeps its own code in `reason`. */
export class RunnerProcessError extends CodedError<
  | "sandbox.start"
  | "sandbox.gone"
  | "sandbox.protocol"
  | "sandbox.refused"
  | "compiler.failed"
  | "compiler.timeout"
  | "component.refused"
> {
  override readonly name = "RunnerProcessError";
  /** Code that the sandbox or the compiler named: `load.digest`, `component.import`, `component.invalid`, … */
  readonly reason: string;

  constructor(
    code: RunnerProcessError["code"],
    message: string,
    reason = "",
    options?: ErrorOptions,
  ) {
    super(code, message, options);
    this.reason = reason;
  }
}
