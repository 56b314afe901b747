export type { Enrolment } from "./enrolment.ts";
export { readEnrolment, writeEnrolment } from "./enrolment.ts";
export { LinkError } from "./link-error.ts";
export type { ControlLine, FenceCounts, LineState, Served } from "./control-line.ts";
export { NOTHING_STOPPED, openControlLine } from "./control-line.ts";
export { LineEncoder } from "./line-encoder.ts";
export type { SegmentEncoder, Spool, Written } from "./spool.ts";
export { openSpool } from "./spool.ts";
