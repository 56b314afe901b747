import { judgeAddresses } from "./egress-policy.ts";

const NEVER = [
  "127.0.0.1",
  "10.1.2.3",
  "172.16.0.1",
  "192.168.1.1",
  "169.254.169.254",
  "100.64.0.1",
  "0.0.0.0",
  "224.0.0.1",
  "255.255.255.255",
  "::1",
  "::",
  "::ffff:127.0.0.1",
  "fe80::1",
  "fd00::1",
  "ff02::1",
  "64:ff9b::7f00:1",
  "2002:7f00:1::",
];
const PUBLIC = ["1.1.1.1", "2606:4700:4700::1111"];

/** Null where the addresses that are never reached are refused and public ones are not; else the first that is judged wrongly. */
export function egressKnownAnswer(): string | null {
  const judged = (address: string) => judgeAddresses([address], { privateNet: null });
  const reached = NEVER.find((address) => judged(address) === null);
  if (reached !== undefined) return `${reached} would be reached`;
  const refused = PUBLIC.find((address) => judged(address) !== null);
  return refused === undefined ? null : `${refused} would be refused`;
}
