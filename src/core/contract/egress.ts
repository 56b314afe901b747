import type { ObjectReader } from "#trust";

/** One origin that an extension may reach, and how (capability `http.fetch`). */
export interface EgressRule {
  /** `scheme://host` or `scheme://host:port`, as `URL.origin` writes it. */
  readonly origin: string;
  readonly methods: readonly string[];
}

export const egressMethods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;
const MAX_RULES = 64;
const ORIGIN = /^https?:\/\/[a-z0-9]([a-z0-9.-]{0,252}[a-z0-9])?(:[0-9]{1,5})?$/;

/** Null unless it is written exactly as `URL.origin` writes it: one origin has one spelling. text: attacker-controlled. */
export function parseOrigin(text: string): string | null {
  if (!ORIGIN.test(text)) return null;
  try {
    return new URL(text).origin === text ? text : null;
  } catch {
    return null;
  }
}

/** Reads a list of `{origin, methods}` under `name`; an origin comes once. */
export function readEgress(reader: ObjectReader, name: string): readonly EgressRule[] {
  const rules = reader.objects(name, { max: MAX_RULES }, (item) => ({
    origin:
      parseOrigin(item.string("origin", { max: 300 })) ??
      item.refuse("origin", "scheme://host[:port] in lower case, a default port left out"),
    methods: item
      .strings("methods", { max: 8, maxItems: egressMethods.length })
      .map((method) => knownMethod(item, method)),
  }));
  if (new Set(rules.map((rule) => rule.origin)).size !== rules.length)
    reader.refuse(name, "each origin once");
  return rules;
}

function knownMethod(reader: ObjectReader, method: string): string {
  return (
    egressMethods.find((known) => known === method) ??
    reader.refuse("methods", egressMethods.join(", "))
  );
}
