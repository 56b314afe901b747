import { egressMethods, parseOrigin } from "#contract";
import type { FetchRequest, Grant } from "#contract";
import type { CeilingEntry, EgressCeiling } from "./egress-ceiling.ts";
import { isMetadataAddress, isPublicAddress, isWithin } from "./addresses.ts";

/** A request that grant and ceiling allow; the address is still to be found and checked. */
export interface Permitted {
  readonly url: URL;
  readonly entry: CeilingEntry;
}

/** The grant narrows the operator's ceiling; what neither names goes nowhere. Text: why not, for the guest. */
export function permit(
  request: FetchRequest,
  grant: Grant,
  ceiling: EgressCeiling,
): Permitted | string {
  const url = parseUrl(request.url);
  if (url === null) return "the URL is not one that can be asked for";
  const rule = grant.egress.find((known) => known.origin === url.origin);
  if (rule === undefined) return `${url.origin} is not in the grant`; // stops: whatever was not granted; an empty list
  const method = egressMethods.find((known) => known === request.method);
  if (method === undefined || !rule.methods.includes(method))
    return `the grant does not allow this method at ${url.origin}`;
  const entry = ceiling.get(url.origin);
  if (entry === undefined) return `${url.origin} is not in the operator's EXT_EGRESS_ALLOWLIST`;
  return { url, entry };
}

/** Absolute http and https URLs without a user; what has another spelling of its origin is none. text: attacker-controlled. */
function parseUrl(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.username !== "" || url.password !== "") return null;
  if (!text.startsWith(url.origin) || parseOrigin(url.origin) === null) return null;
  return url;
}

/**
 * All addresses of a name, or one reason for all of them: a name with one address that is never reached is not reached at
 * all, so that no order of answers and no second look-up can choose it.
 */
export function judgeAddresses(
  addresses: readonly string[],
  { privateNet }: Pick<CeilingEntry, "privateNet">,
): string | null {
  const refused = addresses.find(
    (address) =>
      isMetadataAddress(address) ||
      !(isPublicAddress(address) || (privateNet !== null && isWithin(address, privateNet))),
  );
  if (addresses.length === 0) return "the name has no address";
  return refused === undefined ? null : `the name has an address that is never reached`;
}
