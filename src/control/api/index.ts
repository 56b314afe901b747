export type { ControlApi, ControlParts } from "./server.ts";
export { startControlApi } from "./server.ts";
