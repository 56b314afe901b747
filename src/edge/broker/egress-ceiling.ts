import type { BlockList } from "node:net";
import { parseOrigin } from "#contract";
import { parseNet } from "#platform";
import type { EnvReader } from "#platform";

/** One origin that the operator lets extensions reach at all. */
export interface CeilingEntry {
  readonly origin: string;
  /** Addresses that are not public and still allowed for this origin; null: public ones alone. */
  readonly privateNet: BlockList | null;
}

/** `EXT_EGRESS_ALLOWLIST` by origin; empty: nothing goes out. */
export type EgressCeiling = ReadonlyMap<string, CeilingEntry>;

/**
 * Reads `EXT_EGRESS_ALLOWLIST`: origins, comma-separated. `origin=net/prefix` lets that origin resolve to addresses of a
 * network of one's own; without it only public addresses are reached.
 */
export function readCeiling(env: EnvReader): EgressCeiling {
  const ceiling = new Map<string, CeilingEntry>();
  const items = env.text("EXT_EGRESS_ALLOWLIST", "").split(",");
  for (const item of items.map((text) => text.trim()).filter((text) => text !== "")) {
    const entry = parseEntry(item);
    if (entry !== null) ceiling.set(entry.origin, entry);
    else
      env.refuse(
        "EXT_EGRESS_ALLOWLIST",
        `cannot read ${JSON.stringify(item.slice(0, 100))}: wanted scheme://host[:port], or that and =network/prefix`,
      );
  }
  return ceiling;
}

function parseEntry(item: string): CeilingEntry | null {
  const [first = "", net, ...more] = item.split("=");
  const origin = parseOrigin(first);
  if (origin === null || more.length > 0) return null;
  if (net === undefined) return { origin, privateNet: null };
  const privateNet = parseNet(net);
  return privateNet === null ? null : { origin, privateNet };
}
