import { allow, deny } from "./verdict.ts";
import type { Reason } from "./verdict.ts";

/** An origin and the methods that may be sent there. */
export interface EgressTerms {
  readonly origin: string;
  readonly methods: readonly string[];
}

export interface CapabilityTerms {
  readonly capabilities: readonly string[];
  readonly egress: readonly EgressTerms[];
  readonly memoryBytes: number;
  readonly deadlineMs: number;
  /** 0: not counted. */
  readonly fuel: number;
}

/** Install and load ask the same: what is granted lies within what the signed config asks for. */
export function judgeGrantWidth({
  requested,
  granted,
}: {
  readonly requested: CapabilityTerms;
  readonly granted: CapabilityTerms;
}): Reason {
  const wider = granted.capabilities.filter((name) => !requested.capabilities.includes(name));
  wider.push(...widerEgress(granted.egress, requested.egress));
  if (granted.memoryBytes > requested.memoryBytes)
    wider.push(`memoryBytes ${granted.memoryBytes} > ${requested.memoryBytes}`);
  if (granted.deadlineMs > requested.deadlineMs)
    wider.push(`deadlineMs ${granted.deadlineMs} > ${requested.deadlineMs}`);
  if (fuelOf(granted) > fuelOf(requested))
    wider.push(`fuel ${granted.fuel || "not counted"} > ${requested.fuel}`);
  if (wider.length > 0)
    return deny("grant", "grant.wider", `the grant is wider than the request: ${wider.join(", ")}`);
  return allow("grant", "grant.within", "the grant is within the request");
}

function fuelOf({ fuel }: CapabilityTerms): number {
  return fuel === 0 ? Number.POSITIVE_INFINITY : fuel;
}

/** What `narrow` allows and `wide` does not; empty where it is within. */
function widerEgress(narrow: readonly EgressTerms[], wide: readonly EgressTerms[]): string[] {
  return narrow.flatMap(({ origin, methods }) => {
    const allowed = wide.find((rule) => rule.origin === origin)?.methods ?? [];
    return methods
      .filter((method) => !allowed.includes(method))
      .map((method) => `http.fetch[${method} ${origin}]`);
  });
}
