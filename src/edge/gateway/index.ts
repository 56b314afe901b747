export type { GatewayParts } from "./gateway-server.ts";
export { GatewayServer } from "./gateway-server.ts";
export type { CallLines } from "./call-log.ts";
export { CALL_LINES, CallLog } from "./call-log.ts";
export type { CallSink } from "./sandbox-client.ts";
export { SandboxClient } from "./sandbox-client.ts";
export { SandboxLine } from "./sandbox-line.ts";
