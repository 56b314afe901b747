export type { BrokerParts } from "./broker-server.ts";
export { brokerServer } from "./broker-server.ts";
export { egressKnownAnswer } from "./known-answer.ts";
export { readAuthorities } from "./authorities.ts";
export type { EgressCeiling } from "./egress-ceiling.ts";
export { readCeiling } from "./egress-ceiling.ts";
export type { ResolveHost } from "./resolve-host.ts";
export { hostResolver } from "./resolve-host.ts";
