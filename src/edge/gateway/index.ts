export type { GatewayParts } from "./gateway-server.ts";
export { GatewayServer } from "./gateway-server.ts";
export { SandboxClient } from "./sandbox-client.ts";
export { SandboxLine } from "./sandbox-line.ts";
