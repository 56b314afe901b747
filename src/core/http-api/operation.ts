import type { Static, TSchema } from "typebox";
import type { ErrorCode } from "#contract";

/** One route of the management API: its schemas are closed, its errors listed; openapi.json is generated from all of them. */
export interface Operation<
  P extends TSchema = TSchema,
  Q extends TSchema = TSchema,
  B extends TSchema = TSchema,
  R extends TSchema = TSchema,
> {
  readonly id: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  /** What policy asks for; null: open to all. */
  readonly action: string | null;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly reply: R;
  readonly errors: readonly ErrorCode[];
}

export type ParamsOf<O extends Operation> = Static<O["params"]>;
export type QueryOf<O extends Operation> = Static<O["query"]>;
export type BodyOf<O extends Operation> = Static<O["body"]>;
export type ReplyOf<O extends Operation> = Static<O["reply"]>;
