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

/** Of the toolchain's modules; why: in the plural, of what is not known here. */
export function notMerged(why: string): KitError {
  return new KitError("component.build", `cannot merge the modules of the component: ${why}`);
}
