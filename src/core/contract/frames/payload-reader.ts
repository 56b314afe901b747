import { FrameError } from "./frame-error.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Up to here a look at each byte is cheaper than the decoder. */
const SHORT_BYTES = 64;

/** Reads the fields of one payload, `bytes` from `start` to `end`, in order; every read checks its bound first. Throws FrameError. */
export class PayloadReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = end;
  }

  /** Where the next field begins. */
  get at(): number {
    return this.#at;
  }

  /** A view of the next bytes, not a copy. */
  bytes(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  u8(max = 0xff): number {
    return within(this.#byte(this.#advance(1)), 0, max);
  }

  u16(min = 0, max = 0xffff): number {
    const at = this.#advance(2);
    return within(this.#byte(at) | (this.#byte(at + 1) << 8), min, max);
  }

  u32(min = 0, max = 0xffff_ffff): number {
    return within(this.#word(this.#advance(4)), min, max);
  }

  /** A u64 that fits a safe integer. */
  u64(max: number = Number.MAX_SAFE_INTEGER): number {
    const at = this.#advance(8);
    return within(this.#word(at + 4) * 0x1_0000_0000 + this.#word(at), 0, max);
  }

  str8(max: number): string {
    return this.#text(this.u8(), max);
  }

  str16(max: number): string {
    return this.#text(this.u16(), max);
  }

  /** A view of everything that is left, at most `max` bytes. */
  rest(max: number): Uint8Array {
    const left = this.#end - this.#at;
    if (left > max)
      throw new FrameError(
        "frame.bound",
        `cannot read frame: ${left} bytes left, wanted at most ${max}`,
      );
    return this.bytes(left);
  }

  end(): void {
    if (this.#at !== this.#end)
      throw new FrameError("frame.trailing", "cannot read frame: bytes follow its last field");
  }

  #text(length: number, max: number): string {
    if (length > max)
      throw new FrameError(
        "frame.bound",
        `cannot read frame: text of ${length} bytes, wanted at most ${max}`,
      );
    if (length === 0) return "";
    const at = this.#advance(length);
    if (length <= SHORT_BYTES && this.#isAscii(at, length))
      return this.#bytes.toString("latin1", at, at + length);
    try {
      return decoder.decode(this.#bytes.subarray(at, at + length));
    } catch (cause) {
      throw new FrameError("frame.utf8", "cannot read frame: text is not UTF-8", { cause });
    }
  }

  #isAscii(at: number, length: number): boolean {
    for (let i = at; i < at + length; i++) if (this.#byte(i) > 0x7f) return false;
    return true;
  }

  /** Inside the payload: the caller has advanced over it. */
  #byte(at: number): number {
    return this.#bytes[at] ?? 0;
  }

  #word(at: number): number {
    const low = this.#byte(at) | (this.#byte(at + 1) << 8) | (this.#byte(at + 2) << 16);
    return (low | (this.#byte(at + 3) << 24)) >>> 0;
  }

  #advance(length: number): number {
    const at = this.#at;
    if (at + length > this.#end)
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
