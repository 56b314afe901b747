import { FrameError } from "./frame-error.ts";
import { HEADER_BYTES, MAX_FRAME_BYTES } from "./frames.ts";
import type { FrameType } from "./frames.ts";

const FIRST_BYTES = 2 * MAX_FRAME_BYTES;
/** Up to here writing each character is cheaper than the call that encodes. */
const SHORT_TEXT = 48;
/** Up to here a copy costs less than a new buffer, which the collector has to count. */
const COPIED_BYTES = 32_768;

/**
 * Appends frames to one growing buffer: begin, fields, finish, and `take` when the turn ends. Numbers are masked to
 * their width by the caller's types; a text over its bound throws FrameError "frame.bound" and leaves no half frame.
 */
export class FrameWriter {
  #buffer: Buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #at = 0;
  #start = 0;

  get length(): number {
    return this.#at;
  }

  begin(type: FrameType, flags: number, stream: number): void {
    this.#start = this.#at;
    this.#room(MAX_FRAME_BYTES);
    const b = this.#buffer;
    const at = this.#at;
    b.writeUInt32LE(type | (flags << 8), at + 4);
    b.writeUInt32LE(stream, at + 8);
    this.#at = at + HEADER_BYTES;
  }

  finish(): void {
    this.#buffer.writeUInt32LE(this.#at - this.#start - HEADER_BYTES, this.#start);
  }

  /** Takes back the frame begun last. */
  abandon(): void {
    this.#at = this.#start;
  }

  u8(value: number): void {
    this.#buffer[this.#at++] = value;
  }

  u16(value: number): void {
    this.#at = this.#buffer.writeUInt16LE(value, this.#at);
  }

  u32(value: number): void {
    this.#at = this.#buffer.writeUInt32LE(value, this.#at);
  }

  u64(value: number): void {
    this.#at = this.#buffer.writeUInt32LE(value >>> 0, this.#at);
    this.#at = this.#buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), this.#at);
  }

  bytes(bytes: Uint8Array): void {
    this.#fits(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Returns the bytes written after the length. */
  str8(text: string, max: number): number {
    return this.#text(text, max, 1);
  }

  str16(text: string, max: number): number {
    return this.#text(text, max, 2);
  }

  /** What was appended since the last call; the buffer is the caller's from here on. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#at);
    this.#at = 0;
    if (taken.length <= COPIED_BYTES) return Buffer.from(taken);
    this.#buffer = Buffer.allocUnsafe(FIRST_BYTES);
    return taken;
  }

  #text(text: string, max: number, prefix: 1 | 2): number {
    const at = this.#at;
    if (text.length <= SHORT_TEXT && text.length <= max && this.#ascii(text, prefix))
      return text.length;
    // A UTF-16 unit takes at most 3 bytes; count only where that could matter.
    const most = text.length * 3;
    if (most > max && Buffer.byteLength(text) > max)
      this.#refuse("frame.bound", `text over ${max} bytes`);
    this.#fits(prefix + (most > max ? max : most));
    const length = this.#buffer.write(text, at + prefix, "utf8");
    if (prefix === 1) this.#buffer[at] = length;
    else this.#buffer.writeUInt16LE(length, at);
    this.#at = at + prefix + length;
    return length;
  }

  /** False, and nothing appended, where a character needs more than one byte. */
  #ascii(text: string, prefix: 1 | 2): boolean {
    const length = text.length;
    this.#fits(prefix + length);
    const b = this.#buffer;
    let at = this.#at + prefix;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return false;
      b[at++] = unit;
    }
    b[this.#at] = length;
    if (prefix === 2) b[this.#at + 1] = 0; // SHORT_TEXT fits one byte
    this.#at = at;
    return true;
  }

  #fits(bytes: number): void {
    if (this.#at - this.#start + bytes > MAX_FRAME_BYTES)
      this.#refuse("frame.length", "payload over the frame bound");
  }

  #refuse(code: "frame.bound" | "frame.length", why: string): never {
    this.#at = this.#start;
    throw new FrameError(code, `cannot write frame: ${why}`);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
  }
}
