import { BlockList, isIPv4, isIPv6 } from "node:net";

/** `network/prefix` as a list of its addresses; null where it is none. text: of a setting. */
export function parseNet(text: string): BlockList | null {
  const [address = "", prefixText = "", ...more] = text.split("/");
  const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : null;
  const prefix = /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : -1;
  if (family === null || more.length > 0 || prefix < 0 || prefix > (family === "ipv4" ? 32 : 128))
    return null;
  const list = new BlockList();
  list.addSubnet(address, prefix, family);
  return list;
}
