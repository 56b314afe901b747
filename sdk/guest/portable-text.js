// UTF-8 in the language itself (Unicode, section 3.9): for drafts, and for bytes that are not well-formed.

/** text: without lone surrogates. By code units: most texts are ASCII. */
export function encode(text) {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) return encodeRest(text, bytes.subarray(0, i));
    bytes[i] = code;
  }
  return bytes;
}

const LEADS = [0, 0xc0, 0xe0, 0xf0];

/** A code unit takes at most three bytes. */
function encodeRest(source, start) {
  const bytes = new Uint8Array(source.length * 3);
  bytes.set(start);
  let size = start.length;
  for (let i = start.length; i < source.length; i++) {
    const point = source.codePointAt(i);
    if (point > 0xffff) i++;
    if (point < 0x80) bytes[size++] = point;
    else {
      const more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
      bytes[size++] = (point >> (6 * more)) | LEADS[more];
      for (let k = more - 1; k >= 0; k--) bytes[size++] = ((point >> (6 * k)) & 0x3f) | 0x80;
    }
  }
  return bytes.slice(0, size);
}

/** Null where the bytes are not well-formed. */
export function decode(bytes) {
  return read(bytes, null);
}

/** What is not well-formed becomes U+FFFD. */
export function decodeReplacing(bytes) {
  return read(bytes, "\ufffd");
}

function read(bytes, replacement) {
  let text = "";
  for (let i = 0; i < bytes.length;) {
    const [point, length] = readPoint(bytes, i);
    if (point < 0 && replacement === null) return null;
    text += point < 0 ? replacement : String.fromCodePoint(point);
    i += length;
  }
  return text;
}

/** Code point and length at `i`; -1 for bytes that are no well-formed sequence (Unicode, table 3-7). */
function readPoint(bytes, i) {
  const first = bytes[i];
  if (first < 0x80) return [first, 1];
  const size =
    first >= 0xf0 && first <= 0xf4
      ? 4
      : first >= 0xe0 && first < 0xf0
        ? 3
        : first >= 0xc2 && first < 0xe0
          ? 2
          : 0;
  if (size === 0) return [-1, 1];
  let point = first & (0xff >> (size + 1));
  for (let k = 1; k < size; k++) {
    const next = bytes[i + k];
    if (next === undefined || (next & 0xc0) !== 0x80) return [-1, k];
    if (
      k === 1 &&
      ((first === 0xe0 && next < 0xa0) ||
        (first === 0xed && next > 0x9f) ||
        (first === 0xf0 && next < 0x90) ||
        (first === 0xf4 && next > 0x8f))
    )
      return [-1, 1];
    point = (point << 6) | (next & 0x3f);
  }
  return [point, size];
}
