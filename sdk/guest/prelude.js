// Put before every TypeScript extension: a snapshot freezes the engine's generator, so each instance draws a seed of its own on first use.
import { getRandomBytes } from "wasi:random/random@0.2.0";

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
    /** By code units: most texts are ASCII, and each call pays for what runs here. */
    encode(text = "") {
      const source = String(text);
      const bytes = new Uint8Array(source.length);
      for (let i = 0; i < source.length; i++) {
        const code = source.charCodeAt(i);
        if (code >= 0x80) return encodeRest(source, bytes.subarray(0, i));
        bytes[i] = code;
      }
      return bytes;
    }
  };
}

const LEADS = [0, 0xc0, 0xe0, 0xf0];

/** A lone surrogate becomes U+FFFD; a code unit takes at most three bytes. */
function encodeRest(source, start) {
  const bytes = new Uint8Array(source.length * 3);
  bytes.set(start);
  let size = start.length;
  for (let i = start.length; i < source.length; i++) {
    let point = source.codePointAt(i);
    if (point > 0xffff) i++;
    else if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
    if (point < 0x80) bytes[size++] = point;
    else {
      const more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
      bytes[size++] = (point >> (6 * more)) | LEADS[more];
      for (let k = more - 1; k >= 0; k--) bytes[size++] = ((point >> (6 * k)) & 0x3f) | 0x80;
    }
  }
  return bytes.slice(0, size);
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
      const bytes = ArrayBuffer.isView(view) ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array(view);
      let text = "";
      for (let i = 0; i < bytes.length; ) {
        const [point, length] = readPoint(bytes, i);
        if (point < 0 && this.#fatal) throw new TypeError("the bytes are not UTF-8");
        text += point < 0 ? "\ufffd" : String.fromCodePoint(point);
        i += length;
      }
      return text.startsWith("\ufeff") ? text.slice(1) : text;
    }
  };
}

/** Code point and length at `i`; -1 for bytes that are no well-formed sequence (Unicode, table 3-7). */
function readPoint(bytes, i) {
  const first = bytes[i];
  if (first < 0x80) return [first, 1];
  const size = first >= 0xf0 && first <= 0xf4 ? 4 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xc2 && first < 0xe0 ? 2 : 0;
  if (size === 0) return [-1, 1];
  let point = first & (0xff >> (size + 1));
  for (let k = 1; k < size; k++) {
    const next = bytes[i + k];
    if (next === undefined || (next & 0xc0) !== 0x80) return [-1, k];
    if (k === 1 && ((first === 0xe0 && next < 0xa0) || (first === 0xed && next > 0x9f) || (first === 0xf0 && next < 0x90) || (first === 0xf4 && next > 0x8f))) return [-1, 1];
    point = (point << 6) | (next & 0x3f);
  }
  return [point, size];
}
