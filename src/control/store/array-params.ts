/*
 * PostgreSQL's binary form of arrays of at least one value, without nulls (array_recv). A Buffer goes to the server as it is, so a column of
 * thousands of values is one parameter that neither side turns into text. The statement names the type: `$1::uuid[]`.
 */

const HEAD_BYTES = 20;
const OIDS = { int4: 23, int8: 20, text: 25, timestamptz: 1_184, uuid: 2_950 } as const;
const UUID_BYTES = 16;
const TWO_32 = 0x1_0000_0000;
/** PostgreSQL counts microseconds from 2000-01-01. */
const EPOCH_MS = Date.UTC(2000, 0, 1);

/** packed: 16 bytes each. */
export function uuidArray(packed: Uint8Array): Buffer {
  const count = packed.length / UUID_BYTES;
  const array = begin("uuid", count, count * (4 + UUID_BYTES));
  for (let i = 0, at = HEAD_BYTES; i < count; i++, at += 4 + UUID_BYTES) {
    array.writeInt32BE(UUID_BYTES, at);
    array.set(packed.subarray(i * UUID_BYTES, (i + 1) * UUID_BYTES), at + 4);
  }
  return array;
}

export function int4Array(values: Int32Array): Buffer {
  const array = begin("int4", values.length, values.length * 8);
  let at = HEAD_BYTES;
  for (const value of values) {
    array.writeInt32BE(4, at);
    array.writeInt32BE(value, at + 4);
    at += 8;
  }
  return array;
}

/** values: safe integers. */
export function int8Array(values: Float64Array): Buffer {
  return eightBytes("int8", values);
}

/** values: Unix time in ms. */
export function timestampArray(values: Float64Array): Buffer {
  return eightBytes(
    "timestamptz",
    values.map((ms) => (ms - EPOCH_MS) * 1_000),
  );
}

export function textArray(values: readonly string[]): Buffer {
  const bytes = values.reduce((sum, value) => sum + 4 + Buffer.byteLength(value), 0);
  const array = begin("text", values.length, bytes);
  let at = HEAD_BYTES;
  for (const value of values) {
    const length = array.write(value, at + 4, "utf8");
    at = array.writeInt32BE(length, at) + length;
  }
  return array;
}

function eightBytes(type: "int8" | "timestamptz", values: Float64Array): Buffer {
  const array = begin(type, values.length, values.length * 12);
  let at = HEAD_BYTES;
  for (const value of values) {
    array.writeInt32BE(8, at);
    array.writeInt32BE(Math.floor(value / TWO_32), at + 4);
    array.writeUInt32BE(value >>> 0, at + 8);
    at += 12;
  }
  return array;
}

/** One dimension, no nulls, the values counted from 1. */
function begin(type: keyof typeof OIDS, count: number, bytes: number): Buffer {
  const array = Buffer.allocUnsafe(HEAD_BYTES + bytes);
  for (const [i, value] of [1, 0, OIDS[type], count, 1].entries()) array.writeInt32BE(value, i * 4);
  return array;
}
