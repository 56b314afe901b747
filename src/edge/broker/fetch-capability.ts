import { readFetchRequest } from "#contract";
import type { FetchReply, FetchRequest, Grant } from "#contract";
import type { EgressCeiling } from "./egress-ceiling.ts";
import { judgeAddresses, permit } from "./egress-policy.ts";
import { guardedRequest } from "./guarded-request.ts";
import type { ResolveHost } from "./resolve-host.ts";

export interface FetchParts {
  readonly ceiling: EgressCeiling;
  readonly resolve: ResolveHost;
  /** Certificates of the authorities that are trusted, as PEM. */
  readonly authorities: readonly string[];
}

/** grant → method → ceiling → addresses → one connection to the address that was checked. argument: attacker-controlled. */
export async function performFetch(
  parts: FetchParts,
  grant: Grant,
  argument: Uint8Array,
  signal: AbortSignal,
): Promise<FetchReply> {
  const request = readArgument(argument);
  if (request === null) return denied("the request cannot be read");
  const permitted = permit(request, grant, parts.ceiling);
  if (typeof permitted === "string") return denied(permitted);
  const { url, entry } = permitted;
  const addresses = await addressesOf(parts.resolve, url.hostname, signal);
  if (addresses === null)
    return signal.aborted
      ? { failure: "timed-out", message: "" }
      : { failure: "failed", message: "the name cannot be resolved" };
  const refusal = judgeAddresses(addresses, entry); // stops: private, loopback, link-local, metadata, mapped, multicast
  if (refusal !== null) return denied(refusal);
  const [address = ""] = addresses;
  const { authorities } = parts;
  return guardedRequest({ url, address, request, signal, authorities }); // stops: a name that resolves otherwise a moment later
}

function denied(message: string): FetchReply {
  return { failure: "denied", message };
}

function readArgument(argument: Uint8Array): FetchRequest | null {
  try {
    return readFetchRequest(argument);
  } catch {
    return null;
  }
}

/** Null where the resolver fails, or the call's time ends first. */
async function addressesOf(
  resolve: ResolveHost,
  host: string,
  signal: AbortSignal,
): Promise<string[] | null> {
  const ended = new Promise<null>((done) =>
    signal.addEventListener("abort", () => done(null), { once: true }),
  );
  if (signal.aborted) return null;
  return Promise.race([resolve(host).catch(() => null), ended]);
}
