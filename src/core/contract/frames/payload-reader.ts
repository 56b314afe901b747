import { FrameError } from "./frame-error.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Up to here a look at each byte is cheaper than the decoder. */
const SHORT_BYTES = 64;

/** Reads the fields of one payload in order; every read checks its bound first. Throws FrameError. */
export class PayloadReader {
  readonly #bytes: Uint8Array;
  readonly #buffer: Buffer;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A view of the next bytes, not a copy. */
  bytes(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  u8(max = 0xff): number {
    return within(this.#view.getUint8(this.#advance(1)), 0, max);
  }

  u16(min = 0, max = 0xffff): number {
    return within(this.#view.getUint16(this.#advance(2), true), min, max);
  }

  u32(min = 0, max = 0xffff_ffff): number {
    return within(this.#view.getUint32(this.#advance(4), true), min, max);
  }

  /** A u64 that fits a safe integer. */
  u64(max: number = Number.MAX_SAFE_INTEGER): number {
    const at = this.#advance(8);
    const value =
      this.#view.getUint32(at + 4, true) * 0x1_0000_0000 + this.#view.getUint32(at, true);
    return within(value, 0, max);
  }

  str8(max: number): string {
    return this.#text(this.u8(), max);
  }

  str16(max: number): string {
    return this.#text(this.u16(), max);
  }

  /** A view of everything that is left, at most `max` bytes. */
  rest(max: number): Uint8Array {
    const left = this.#bytes.length - this.#at;
    if (left > max)
      throw new FrameError(
        "frame.bound",
        `cannot read frame: ${left} bytes left, wanted at most ${max}`,
      );
    return this.bytes(left);
  }

  end(): void {
    if (this.#at !== this.#bytes.length)
      throw new FrameError("frame.trailing", "cannot read frame: bytes follow its last field");
  }

  #text(length: number, max: number): string {
    if (length > max)
      throw new FrameError(
        "frame.bound",
        `cannot read frame: text of ${length} bytes, wanted at most ${max}`,
      );
    const at = this.#advance(length);
    if (length <= SHORT_BYTES && this.#isAscii(at, length))
      return this.#buffer.toString("latin1", at, at + length);
    try {
      return decoder.decode(this.#bytes.subarray(at, at + length));
    } catch (cause) {
      throw new FrameError("frame.utf8", "cannot read frame: text is not UTF-8", { cause });
    }
  }

  #isAscii(at: number, length: number): boolean {
    for (let i = at; i < at + length; i++) if ((this.#bytes[i] ?? 0) > 0x7f) return false;
    return true;
  }

  #advance(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length)
      throw new FrameError("frame.truncated", "cannot read frame: it ends inside a field");
    this.#at = at + length;
    return at;
  }
}

function within(value: number, min: number, max: number): number {
  if (value < min || value > max)
    throw new FrameError("frame.bound", `cannot read frame: ${value}, wanted ${min} to ${max}`);
  return value;
}
