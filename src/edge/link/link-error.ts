import { CodedError } from "#trust";

export class LinkError extends CodedError<
  | "enrolment.invalid"
  | "link.refused"
  | "link.unavailable"
  | "snapshot.rollback"
  | "trust-root.rollback"
  | "fence.rollback"
  | "spool.full"
> {
  override readonly name = "LinkError";
}
