// Put before every TypeScript extension: a snapshot freezes the engine's generator, so each instance draws a seed of its own on first use.
import { getRandomBytes } from "wasi:random/random@0.2.0";
import { decode, decodeReplacing, encode } from "caisson-kit:text";

let state = 0n;
const MASK = (1n << 64n) - 1n;

/** xorshift64* (Vigna 2016); not for secrets: use crypto.getRandomValues. */
Math.random = function random() {
  if (state === 0n) state = seed();
  state ^= state >> 12n;
  state = (state ^ (state << 25n)) & MASK;
  state ^= state >> 27n;
  return Number(((state * 2685821657736338717n) & MASK) >> 11n) / 2 ** 53;
};

/** 64 random bits, never zero. By bytes: the toolchain hands a u64 over as a number, which holds only 53 bits of it. */
function seed() {
  return new DataView(getRandomBytes(8).slice().buffer).getBigUint64(0) | 1n;
}

globalThis.crypto = {
  getRandomValues(view) {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    bytes.set(getRandomBytes(bytes.length));
    return view;
  },
  randomUUID() {
    const bytes = getRandomBytes(16);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  },
};

// The engine has no text codecs; these two are UTF-8 only (WHATWG Encoding, sections 8.1.1 and 10).
if (typeof globalThis.TextEncoder === "undefined") {
  globalThis.TextEncoder = class TextEncoder {
    get encoding() {
      return "utf-8";
    }
    encode(text = "") {
      return encode(String(text).toWellFormed());
    }
  };
}

if (typeof globalThis.TextDecoder === "undefined") {
  globalThis.TextDecoder = class TextDecoder {
    #fatal;
    constructor(label = "utf-8", options = {}) {
      if (!/^utf-?8$/i.test(label)) throw new RangeError(`cannot decode ${label}: wanted utf-8`);
      this.#fatal = options.fatal === true;
    }
    get encoding() {
      return "utf-8";
    }
    decode(view = new Uint8Array()) {
      const bytes = ArrayBuffer.isView(view)
        ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
        : new Uint8Array(view);
      const text = decode(bytes) ?? this.#replaced(bytes);
      return text.startsWith("\ufeff") ? text.slice(1) : text;
    }
    #replaced(bytes) {
      if (this.#fatal) throw new TypeError("the bytes are not UTF-8");
      return decodeReplacing(bytes);
    }
  };
}
