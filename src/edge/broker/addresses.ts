import { BlockList, isIPv4, isIPv6 } from "node:net";

/** IPv4 that is not globally reachable (IANA special-purpose registry, RFC 6890), multicast and the rest of 224/3. */
const SPECIAL_V4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.31.196.0", 24],
  ["192.52.193.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["192.175.48.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];
/** Of 2000::/3, which alone is global unicast: what is special in it, tunnels that hide an IPv4 address among them. */
const SPECIAL_V6: readonly (readonly [string, number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const special = new BlockList();
for (const [net, prefix] of SPECIAL_V4) special.addSubnet(net, prefix, "ipv4");
for (const [net, prefix] of SPECIAL_V6) special.addSubnet(net, prefix, "ipv6");
const global6 = new BlockList();
global6.addSubnet("2000::", 3, "ipv6");

/** Where clouds hand out credentials. No exception opens them; a BlockList takes an IPv4-mapped address for the one in it. */
const metadata = new BlockList();
for (const address of ["169.254.169.254", "169.254.170.2", "100.100.100.200"])
  metadata.addAddress(address, "ipv4");
metadata.addAddress("fd00:ec2::254", "ipv6");

/** Whether a public address: everything else (mapped and unspecified addresses too) is reached by exception only. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !special.check(address, "ipv4");
  if (!isIPv6(address) || address.includes("%")) return false;
  return global6.check(address, "ipv6") && !special.check(address, "ipv6");
}

export function isMetadataAddress(address: string): boolean {
  return isWithin(address, metadata);
}

export function isWithin(address: string, net: BlockList): boolean {
  return net.check(address, isIPv4(address) ? "ipv4" : "ipv6");
}
