import { allow, deny } from "./verdict.ts";
import type { Reason } from "./verdict.ts";

/** What a manifest declares for its tenants to set, and what one set. */
export interface ConfigTerms {
  readonly declared: readonly { readonly name: string; readonly required: boolean }[];
  readonly given: Readonly<Record<string, string>>;
  /** The bound that `given` passes. */
  readonly overBound: string | null;
}

/** Install and load ask the same. Values stay out of the reason: they are the tenant's. */
export function judgeConfig({ declared, given, overBound }: ConfigTerms): Reason {
  const names = Object.keys(given);
  const unknown = names.filter((name) => !declared.some((one) => one.name === name));
  if (unknown.length > 0)
    return deny(
      "config",
      "config.unknown",
      `the extension declares no ${unknown.join(", ").slice(0, 500)}`,
    );
  const missing = declared.filter((one) => one.required && !Object.hasOwn(given, one.name));
  if (missing.length > 0)
    return deny(
      "config",
      "config.missing",
      `the extension needs ${missing.map((one) => one.name).join(", ")}; set it with --config`,
    );
  if (overBound !== null) return deny("config", "config.too-large", `wanted ${overBound}`);
  return allow("config", "config.within", names.length === 0 ? "nothing is set" : names.join(", "));
}
