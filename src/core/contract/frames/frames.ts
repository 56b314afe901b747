/**
 * The frames between gateway, sandbox and runner parent (interfaces §3). All integers little-endian; `str8`/`str16` are
 * UTF-8 behind a u8/u16 byte count. `native/frames` holds the same layouts; `test/vectors/frames` binds both.
 *
 * Header, 12 bytes: u32 payload length (≤ 65,524), u8 type, u8 flags, u16 zero, u32 stream.
 *
 * | type | way | payload |
 * |---|---|---|
 * | 1 HELLO | opener → sandbox | u16 version, u32 max frame, u32 credit, 32 boot secret |
 * | 1 HELLO, flag 1 | sandbox → opener | the same with 32 engine fingerprint, then u8 lockdown bits, u8 n ≤ 16, n × str8 WIT version |
 * | 2 OPEN, flag 1 = no body | gateway → sandbox | 16 execution, 16 handle, u64 remaining µs ≤ 300 s, u32 memory bytes, u32 response bytes (0: the grant's), str16 principal ≤ 256, str8 method ≤ 32, str16 path ≤ 8,192, str16 query ≤ 8,192, u8 n ≤ 16, n × {str8 name ≤ 64, str16 value ≤ 1,024}, headers |
 * | headers | | u8 n ≤ 64, n × {str8 name, str16 value}, together ≤ 16,384 bytes |
 * | 3 DATA | both | body bytes, within the credit |
 * | 4 END | both | nothing |
 * | 5 CREDIT | both | u32 bytes, 1 to 2³¹−1 |
 * | 6 CANCEL | gateway → sandbox | u8 reason: 1 client, 2 deadline, 3 halt |
 * | 7 CALL | sandbox → parent | 16 execution, 16 handle, u32 capability (2 http.fetch, 4 storage.kv), u64 remaining µs ≤ 300 s, u32 size of the argument ≤ 1,114,112 |
 * | 8 REPLY | parent → sandbox | u32 size of the reply ≤ 1,114,112 |
 * | argument of http.fetch | | str8 method ≤ 32, str16 URL ≤ 8,192, headers, body ≤ 1 MiB |
 * | reply of http.fetch | | u8 0, u16 status 100 to 999, headers, body ≤ 1 MiB; or u8 failure (1 denied, 2 budget, 3 failed, 4 timed out, 5 too large), str16 message ≤ 1,024 |
 * | argument of storage.kv | | u8 1 get, str16 key; u8 2 put, str16 key, condition, u8 1 with a TTL, u32 seconds, value; u8 3 delete, str16 key, condition; u8 4 list, str16 prefix, u8 1 with a cursor, str16 cursor, u32 max. Condition: u8 (0 always, 1 absent, 2 revision), u64 revision |
 * | reply of storage.kv | | u8 32 entry, u64 revision, expiry, value; 33 absent; 34 written, u64 revision; 35 deleted; 36 page, u8 1 with a cursor, str16 cursor ≤ 1,024, u16 n ≤ 1,000, n × str16 key; or u8 failure (those of http.fetch, 6 quota of keys, 7 quota of bytes, 8 conflict, 9 missing, 10 unavailable, 11 invalid), str16 message, after 8 the revision there is. Expiry and that revision: u8 1 where there is one, u64 |
 * | 9 RESULT | sandbox → gateway | u8 outcome, u8 rung ≤ 4, str8 code ≤ 64, u32 capability that was denied first (0: none), u64 wall µs, queue µs, CPU µs, peak memory, body in, body out, u32 log bytes, log lines, dropped lines, capability calls, egress requests, u64 egress bytes in, out |
 * | 10 RESPONSE, flag 1 = no body | sandbox → gateway | u16 status 200 to 599, headers |
 * | 11 DRAIN | parent → sandbox | nothing; answered by DONE. No new call is taken, and the process ends when its calls have ended |
 * | 11 DRAIN | sandbox → gateway | nothing, on stream 0: send no new call here |
 * | 12 HALT | parent → sandbox | u8 scope (1 all, 2 one grant), 16 handle, u64 epoch |
 * | 12 HALT, flag 1 | sandbox → parent | u64 epoch, u32 grants refused from now on, u32 unqueued, u32 killed |
 * | 13 PING, 14 PONG | both | 8 nonce |
 * | 32 LOAD | parent → sandbox | 32 SHA-256, u64 size ≤ 256 MiB; DATA and END follow; the stream is the load's id |
 * | 33 LOADED | sandbox → parent | u32 bits of the capabilities that the component imports |
 * | 34 REFUSED | sandbox → parent | str8 code ≤ 64, str16 message ≤ 1,024 |
 * | 35 GRANT | parent → sandbox | 16 handle, 8 tenant key, u32 load, u32 capability bits, u32 memory bytes, deadline ms, request bytes, response bytes, log bytes, log lines, concurrency, capability calls, egress requests, egress bytes in, egress bytes out, u64 expiry in Unix ms, u8 n ≤ 64, n × {str8 name ≤ 64, str16 value ≤ 4,096} of config, together ≤ 32,768 bytes |
 * | 36 DONE | sandbox → parent | nothing; answers GRANT, UNGRANT, UNLOAD, DRAIN on their stream |
 * | 37 UNGRANT | parent → sandbox | 16 handle |
 * | 38 UNLOAD | parent → sandbox | nothing; the stream is the load's id |
 * | 39 LOG | sandbox → parent | u32 lines dropped since the last, u16 n ≤ 256, n × {16 execution, 16 handle, u8 level ≤ 3, u64 Unix µs, str16 text ≤ 8,192} |
 * | 40 CLOSE | sandbox → peer | str8 code, str16 message; the connection ends |
 * | 41 METRICS | sandbox → parent | u32 points dropped since the last, u16 n ≤ 256, n × {16 handle, u8 kind (0 add, 1 set, 2 observe), str8 name ≤ 64, f64 value, u8 m ≤ 4, m × str8 label value ≤ 64} |
 *
 * Stream ids of an opener are odd towards the sandbox and only grow, so that a late frame never reaches another call; the
 * sandbox's own, of capability calls, are even. After CALL come DATA and END with the argument, after REPLY those of the
 * answer; CANCEL from the sandbox ends one that nobody waits for.
 */
export const frameTypes = {
  hello: 1,
  open: 2,
  data: 3,
  end: 4,
  credit: 5,
  cancel: 6,
  call: 7,
  reply: 8,
  result: 9,
  response: 10,
  drain: 11,
  halt: 12,
  ping: 13,
  pong: 14,
  load: 32,
  loaded: 33,
  refused: 34,
  grant: 35,
  done: 36,
  ungrant: 37,
  unload: 38,
  log: 39,
  close: 40,
  metrics: 41,
} as const;

export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

export const PROTOCOL_VERSION = 1;
export const HEADER_BYTES = 12;
export const MAX_FRAME_BYTES = 65_536;
export const MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - HEADER_BYTES;
/** What a sender puts into one DATA frame. */
export const DATA_CHUNK_BYTES = 32_768;
/** Body bytes each side may send on a new stream before the first CREDIT. */
export const INITIAL_CREDIT_BYTES = 262_144;
/** OPEN and RESPONSE: no body follows. */
export const FLAG_LAST = 1;
/** HELLO and HALT: this is the answer. */
export const FLAG_ANSWER = 1;

export const frameBounds = {
  principalBytes: 256,
  fuel: 1_000_000_000_000,
  methodBytes: 32,
  pathBytes: 8_192,
  queryBytes: 8_192,
  params: 16,
  paramNameBytes: 64,
  paramValueBytes: 1_024,
  headers: 64,
  headerBytes: 16_384,
  headerNameBytes: 255,
  codeBytes: 64,
  messageBytes: 1_024,
  logLineBytes: 8_192,
  logLinesPerFrame: 256,
  witVersions: 16,
  capabilityBytes: 1_048_576,
  argumentBytes: 1_048_576 + 65_536,
  urlBytes: 8_192,
  pointsPerFrame: 256,
  metricNameBytes: 64,
  metricLabels: 4,
  labelBytes: 64,
  configNames: 64,
  configNameBytes: 64,
  configValueBytes: 4_096,
  configBytes: 32_768,
  cwasmBytes: 256 * 1_048_576,
  deadlineMicros: 300_000_000,
} as const;

/** By type, which is a byte: 0 unknown, 1 known, 2 known and may carry flag 1. */
const kinds = new Uint8Array(256);
for (const type of Object.values(frameTypes)) kinds[type] = 1;
for (const type of [frameTypes.hello, frameTypes.open, frameTypes.response, frameTypes.halt])
  kinds[type] = 2;

/** Whether `type` is in the table, and may carry `flags`. */
export function isFrameType(type: number): type is FrameType {
  return (kinds[type] ?? 0) !== 0;
}

export function mayCarry(type: FrameType, flags: number): boolean {
  return flags === 0 || (flags === 1 && kinds[type] === 2);
}
