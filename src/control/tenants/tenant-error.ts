import { CodedError } from "#trust";

export class TenantError extends CodedError<
  | "tenant.unknown"
  | "tenant.exists"
  | "key.unknown"
  | "publisher.unknown"
  | "publisher.exists"
  | "edge.unknown"
  | "edge.exists"
> {
  override readonly name = "TenantError";
}
