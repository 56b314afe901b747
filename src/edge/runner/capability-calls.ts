import { failureBytes, frameTypes, readCapabilityCall } from "#contract";
import type { CapabilityCall, FrameType } from "#contract";
import { RunnerProcessError } from "./runner-process-error.ts";

/** A guest's call to the world outside; the reply's bytes. signal: the call is over, nobody waits. */
export type OnCall = (
  call: CapabilityCall,
  argument: Uint8Array,
  signal: AbortSignal,
) => Promise<Uint8Array>;

/** A capability call whose argument still comes, or whose reply is being made. */
interface Asking {
  readonly call: CapabilityCall;
  readonly parts: Buffer[];
  size: number;
  readonly cancel: AbortController;
}

/** Capability calls on the line to one sandbox: CALL and its argument in, the reply out, or a CANCEL in between. */
export class CapabilityCalls {
  readonly #onCall: OnCall;
  readonly #answer: (stream: number, reply: Uint8Array) => Promise<void>;
  readonly #asking = new Map<number, Asking>();

  constructor(onCall: OnCall, answer: (stream: number, reply: Uint8Array) => Promise<void>) {
    this.#onCall = onCall;
    this.#answer = answer;
  }

  /** A frame on a stream of the sandbox's own. Throws RunnerProcessError "sandbox.protocol". */
  onFrame(type: FrameType, stream: number, payload: Buffer): void {
    if (type === frameTypes.call) {
      const call = readCapabilityCall(payload);
      this.#asking.set(stream, { call, parts: [], size: 0, cancel: new AbortController() });
      return;
    }
    const asking = this.#asking.get(stream);
    if (asking === undefined) return; // of a call that is over
    if (type === frameTypes.data) take(asking, payload);
    else if (type === frameTypes.end) void this.#reply(stream, asking);
    else if (type === frameTypes.cancel) {
      this.#asking.delete(stream);
      asking.cancel.abort();
    } else
      throw new RunnerProcessError(
        "sandbox.protocol",
        `cannot take frame ${type} in a capability call`,
      );
  }

  /** The sandbox is gone: nobody waits any more. */
  abandon(): void {
    for (const { cancel } of this.#asking.values()) cancel.abort();
    this.#asking.clear();
  }

  async #reply(stream: number, { call, parts, cancel }: Asking): Promise<void> {
    // A guest always gets its answer: an error of ours is a failed call.
    const reply = await this.#onCall(call, Buffer.concat(parts), cancel.signal).catch(() =>
      failureBytes("failed", "the runner could not ask"),
    );
    if (this.#asking.delete(stream)) await this.#answer(stream, reply);
  }
}

function take(asking: Asking, payload: Buffer): void {
  asking.size += payload.length;
  if (asking.size > asking.call.size)
    throw new RunnerProcessError(
      "sandbox.protocol",
      `cannot take an argument over the ${asking.call.size} bytes that were announced`,
    );
  asking.parts.push(Buffer.from(payload));
}
