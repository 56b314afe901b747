import { FrameError } from "./frame-error.ts";
import { HEADER_BYTES, isFrameType, MAX_PAYLOAD_BYTES, mayCarry } from "./frames.ts";
import type { FrameType } from "./frames.ts";

/** The payload is what `bytes` holds from `start` to `end`; valid during the call. No view of it is made: one for each frame would cost more than reading most of them. */
export type OnFrame = (
  type: FrameType,
  flags: number,
  stream: number,
  bytes: Buffer,
  start: number,
  end: number,
) => void;

const NOTHING = Buffer.alloc(0);

/**
 * Cuts a byte stream into frames. Holds at most one incomplete frame; throws FrameError at the first bad header, after
 * which the connection must end.
 */
export class FrameDecoder {
  readonly #onFrame: OnFrame;
  #held: Buffer = NOTHING;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /** chunk: attacker-controlled; not looked at after this returns. */
  push(chunk: Buffer): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = bytes.readUInt32LE(at);
      const end = at + HEADER_BYTES + checkedLength(length);
      const type = checkedType(bytes, at);
      if (end > bytes.length) break;
      this.#onFrame(
        type,
        bytes[at + 5] ?? 0,
        bytes.readUInt32LE(at + 8),
        bytes,
        at + HEADER_BYTES,
        end,
      );
      at = end;
    }
    this.#held = at === bytes.length ? NOTHING : Buffer.from(bytes.subarray(at));
  }
}

function checkedLength(length: number): number {
  if (length > MAX_PAYLOAD_BYTES)
    throw new FrameError("frame.length", `cannot read frame: payload of ${length} bytes`);
  return length;
}

function checkedType(bytes: Buffer, at: number): FrameType {
  const type = bytes[at + 4] ?? 0;
  if (!isFrameType(type)) throw new FrameError("frame.type", `cannot read frame: type ${type}`);
  if (!mayCarry(type, bytes[at + 5] ?? 0))
    throw new FrameError("frame.flags", `cannot read frame: flags on type ${type}`);
  if (bytes.readUInt16LE(at + 6) !== 0)
    throw new FrameError("frame.reserved", "cannot read frame: reserved bytes are set");
  return type;
}
