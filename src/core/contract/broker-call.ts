import { limits } from "./limits.ts";
import { frameBounds } from "./frames/frames.ts";

/** Headers of a call from a runner to the broker on its machine (HTTP over a unix socket, `POST /v1/capability/<name>`). */
export const BROKER_DEADLINE_HEADER = "x-caisson-deadline-us";
const LENGTH_BYTES = 4;
const MAX_GRANT_BYTES = 65_536;
/** Grant and argument together. */
export const MAX_BROKER_BYTES = LENGTH_BYTES + MAX_GRANT_BYTES + frameBounds.argumentBytes;

/** The grant as control signed it, then the argument as the guest gave it. */
export interface BrokerCall {
  readonly grant: Uint8Array;
  readonly argument: Uint8Array;
}

export function brokerCallBytes({ grant, argument }: BrokerCall): Uint8Array {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(grant.length);
  return Buffer.concat([length, grant, argument]);
}

/** Null where the lengths do not hold. bytes: at most MAX_BROKER_BYTES, attacker-controlled as far as the runner is. */
export function parseBrokerCall(bytes: Buffer): BrokerCall | null {
  if (bytes.length < LENGTH_BYTES) return null;
  const end = LENGTH_BYTES + bytes.readUInt32LE(0);
  if (end > bytes.length || end - LENGTH_BYTES > MAX_GRANT_BYTES) return null;
  return { grant: bytes.subarray(LENGTH_BYTES, end), argument: bytes.subarray(end) };
}

/** Remaining time as the header says it; null where it is none. text: attacker-controlled. */
export function parseDeadline(text: string | string[] | undefined): number | null {
  if (typeof text !== "string" || !/^[1-9][0-9]{0,8}$/.test(text)) return null;
  const micros = Number(text);
  return micros <= limits.callDeadlineMs.max * 1_000 ? micros : null;
}
