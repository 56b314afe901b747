export { LogError } from "./log-error.ts";
export type { LogCode } from "./log-error.ts";
export { MAX_BATCH, MAX_QUEUE, TileLog } from "./tile-log.ts";
export type { Appended, TileLogOptions } from "./tile-log.ts";
export type { LogDisk } from "./log-disk.ts";
export { openLog, verifyLog, verifyLogFolder } from "./open-log.ts";
