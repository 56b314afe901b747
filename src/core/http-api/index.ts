export type { BodyOf, Operation, ParamsOf, QueryOf, ReplyOf } from "./operation.ts";
export { operations } from "./operations.ts";
export type { ApiAddress } from "./client.ts";
export { ApiError, call } from "./client.ts";
