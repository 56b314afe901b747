import { CodedError } from "#trust";

export class FenceError extends CodedError<
  "fence.unknown" | "fence.irreversible" | "fence.full" | "fence.target" | "auth.forbidden"
> {
  override readonly name = "FenceError";
}
