import { CodedError } from "#trust";

export class ComponentError extends CodedError<"component.malformed" | "component.core-module"> {
  override readonly name = "ComponentError";
}

export function malformed(why: string): ComponentError {
  return new ComponentError("component.malformed", `cannot read the component: ${why}`);
}

/**
 * Reads the primitives of the WebAssembly binary format, in order. bytes: attacker-controlled.
 * Each read throws ComponentError "component.malformed" where the bytes end inside a value.
 */
export class WasmCursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get at(): number {
    return this.#at;
  }

  /** Bytes not yet read. */
  get left(): number {
    return Math.max(0, this.#bytes.length - this.#at);
  }

  done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw malformed("it ends inside a value");
    return value;
  }

  /** LEB128, at most five bytes. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw malformed("a number over 32 bits");
  }

  /** The next `length` bytes: a view, no copy. */
  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw malformed("a section runs past its end");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  part(length: number): WasmCursor {
    return new WasmCursor(this.take(length));
  }

  /** What was read since `from`, an earlier value of `at`. */
  since(from: number): Uint8Array {
    return this.#bytes.subarray(from, this.#at);
  }

  text(length: number): string {
    try {
      const part = this.take(length);
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(part);
    } catch (error) {
      if (error instanceof ComponentError) throw error;
      throw malformed("a name that is not UTF-8");
    }
  }
}
