import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";

/** All addresses of a host. Throws what the resolver throws; the time is bounded by the caller. */
export type ResolveHost = (host: string) => Promise<string[]>;

const TRY_MS = 2_000;

/** By the servers named, or as this machine resolves names. servers: `address` or `address:port`. */
export function hostResolver(servers: readonly string[]): ResolveHost {
  if (servers.length === 0) return systemResolve;
  const resolver = new Resolver({ timeout: TRY_MS, tries: 2 });
  resolver.setServers([...servers]);
  return async (host) => {
    if (isIP(host) !== 0) return [host];
    const found = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    return found.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  };
}

async function systemResolve(host: string): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  return (await lookup(host, { all: true })).map(({ address }) => address);
}
