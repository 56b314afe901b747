export type { BlastRadius } from "./blast-radius.ts";
export { blastRadius } from "./blast-radius.ts";
export { FenceError } from "./fence-error.ts";
export type { FenceOrder } from "./fences.ts";
export { Fences } from "./fences.ts";
