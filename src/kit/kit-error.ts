import { CodedError } from "#trust";

export class KitError extends CodedError<
  | "project.missing"
  | "project.source"
  | "component.build"
  | "component.exports"
  | "component.imports"
  | "layout.invalid"
  | "key.passphrase"
  | "key.invalid"
  | "push.refused"
  | "tool.missing"
  | "local.failed"
  | "load.refused"
  | "test.invalid"
> {
  override readonly name = "KitError";
}
