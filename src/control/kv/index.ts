export { removeKv, sweepKv } from "./keep-kv.ts";
export type { KvParts } from "./kv-calls.ts";
export { KvCalls } from "./kv-calls.ts";
