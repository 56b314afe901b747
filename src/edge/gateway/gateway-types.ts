import type { CancelReason, OpenFrame } from "#contract";
import type { CallSink } from "./sandbox-client.ts";

export type { CallSink };
export type { ErrorCode, ExecutionRecord } from "#contract";

/** An open call, as its gateway side needs it. */
export interface OpenCall {
  write(chunk: Uint8Array): boolean;
  end(): void;
  cancel(reason: CancelReason): void;
  taken(bytes: number): void;
}

/** Whose call it is: a runner elsewhere is told, a sandbox knows it by the handle. */
export interface CallPlace {
  readonly tenant: string;
  readonly install: string;
  readonly extension: string;
}

/** Where calls go: a sandbox on this machine, or a runner elsewhere. */
export interface SandboxPort {
  readonly ready: boolean;
  call(frame: OpenFrame, noBody: boolean, sink: CallSink, place: CallPlace): OpenCall;
}
