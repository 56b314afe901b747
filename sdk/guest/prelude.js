// Put before every TypeScript extension: a snapshot freezes the engine's generator, so each instance draws a seed of its own on first use.
import { getRandomBytes, getRandomU64 } from "wasi:random/random@0.2.0";

let state = 0n;
const MASK = (1n << 64n) - 1n;

/** xorshift64* (Vigna 2016); not for secrets: use crypto.getRandomValues. */
Math.random = function random() {
  if (state === 0n) state = getRandomU64() | 1n;
  state ^= state >> 12n;
  state = (state ^ (state << 25n)) & MASK;
  state ^= state >> 27n;
  return Number(((state * 2685821657736338717n) & MASK) >> 11n) / 2 ** 53;
};

globalThis.crypto = {
  getRandomValues(view) {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    bytes.set(getRandomBytes(BigInt(bytes.length)));
    return view;
  },
  randomUUID() {
    const bytes = getRandomBytes(16n);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  },
};
