import { readFileSync } from "node:fs";
import { assert, property, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { FrameDecoder } from "./frame-decoder.ts";
import { FrameError } from "./frame-error.ts";
import { FrameWriter } from "./frame-writer.ts";
import { frameTypes } from "./frames.ts";
import type { FrameType } from "./frames.ts";
import * as c from "./capability-messages.ts";
import * as k from "./kv-messages.ts";
import * as m from "./messages.ts";
import { readMetrics } from "./metrics-messages.ts";
import * as p from "./parent-messages.ts";

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly type: keyof typeof frameTypes;
  readonly flags: number;
  readonly stream: number;
  readonly fields: Record<string, unknown>;
  readonly error?: string;
}

type Read = (payload: Buffer, flags: number) => object;
const empty: Read = (payload) => {
  m.readEmpty(payload);
  return {};
};
const readers: Record<keyof typeof frameTypes, Read> = {
  hello: m.readHello,
  open: m.readOpen,
  data: (payload) => ({ bytes: payload }),
  end: empty,
  credit: (payload) => ({ bytes: m.readCredit(payload) }),
  cancel: (payload) => ({ reason: m.readCancel(payload) }),
  call: c.readCapabilityCall,
  reply: (payload) => ({ size: c.readReply(payload) }),
  result: (payload) => m.readResult(payload),
  response: (payload) => m.readResponse(payload),
  drain: empty,
  halt: (payload, flags) => (flags === 1 ? p.readHalted(payload) : p.readHalt(payload)),
  ping: (payload) => ({ nonce: m.readNonce(payload) }),
  pong: (payload) => ({ nonce: m.readNonce(payload) }),
  load: p.readLoad,
  loaded: (payload) => ({ capabilities: p.readLoaded(payload) }),
  refused: p.readReason,
  grant: p.readGrant,
  done: empty,
  ungrant: (payload) => ({ handle: p.readHandle(payload) }),
  unload: empty,
  log: p.readLog,
  close: p.readReason,
  metrics: readMetrics,
};

interface Seen {
  readonly type: FrameType;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

function decode(chunks: readonly Buffer[]): Seen[] {
  const seen: Seen[] = [];
  const decoder = new FrameDecoder((type, flags, stream, bytes, start, end) =>
    seen.push({ type, flags, stream, payload: Buffer.from(bytes.subarray(start, end)) }),
  );
  for (const chunk of chunks) decoder.push(chunk);
  return seen;
}

function nameOf(type: FrameType): keyof typeof frameTypes {
  const found = Object.entries(frameTypes).find(([, value]) => value === type);
  return (found?.[0] ?? "end") as keyof typeof frameTypes; // every type has a name
}

function readAll(bytes: Buffer): object[] {
  return decode([bytes]).map(({ type, flags, payload }) => readers[nameOf(type)](payload, flags));
}

function toJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, item: unknown) => asHex(item)));
}

/** Buffers reach the replacer as `{type, data}`, other byte arrays as themselves. */
function asHex(item: unknown): unknown {
  if (item instanceof Uint8Array) return Buffer.from(item).toString("hex");
  if (
    typeof item === "object" &&
    item !== null &&
    "type" in item &&
    item.type === "Buffer" &&
    "data" in item
  )
    return Buffer.from(item.data as number[]).toString("hex"); // shape of Buffer.toJSON
  return item;
}

function vectors(file: string): Vector[] {
  return JSON.parse(
    readFileSync(new URL(`../../../../test/vectors/frames/${file}`, import.meta.url), "utf8"),
  ) as Vector[]; // ours, committed
}

test.each(vectors("valid.json"))(
  "frame readers agree with the vector: $name",
  ({ hex, type, flags, stream, fields }) => {
    const bytes = Buffer.from(hex, "hex");
    const [seen] = decode([bytes]);
    expect(seen).toMatchObject({ type: frameTypes[type], flags, stream });
    expect(toJson(readAll(bytes)[0])).toEqual(fields);
  },
);

test.each(vectors("invalid.json"))("frame readers refuse the vector: $name", ({ hex, error }) => {
  expect(() => readAll(Buffer.from(hex, "hex"))).toThrow(
    expect.objectContaining({ name: "FrameError", code: error }),
  );
});

test("FrameDecoder gives the same frames however the bytes are cut", () => {
  const all = vectors("valid.json").map(({ hex }) => Buffer.from(hex, "hex"));
  const whole = decode([Buffer.concat(all)]);
  const bytes = Buffer.concat(all);
  const single = Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1));
  expect(whole).toHaveLength(all.length);
  expect(decode(single)).toEqual(whole);
});

test("frame readers answer random bytes with frames or a coded error, never otherwise", () => {
  const types = Object.values(frameTypes);
  assert(
    property(
      uint8Array({ maxLength: 200 }),
      uint8Array({ minLength: 3, maxLength: 3 }),
      (payload, [pick = 0, flags = 0, whole = 0]) => {
        const header = Buffer.alloc(12);
        header.writeUInt32LE(payload.length, 0);
        header.writeUInt16LE((types[pick % types.length] ?? 0) | ((flags & 1) << 8), 4);
        const bytes = whole % 4 === 0 ? Buffer.from(payload) : Buffer.concat([header, payload]);
        try {
          readAll(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      },
    ),
    { numRuns: 3_000 },
  );
});

test("FrameWriter leaves no half frame behind a refused text", () => {
  const w = new FrameWriter();
  m.writeEmpty(w, "end", 1);
  const before = w.length;
  expect(() => p.writeReason(w, "close", 0, { code: "x".repeat(65), message: "" })).toThrow(
    expect.objectContaining({ code: "frame.bound" }),
  );
  expect(w.length).toBe(before);
  p.writeReason(w, "close", 0, { code: "x".repeat(64), message: "ä".repeat(512) });
  expect(decode([w.take()])).toHaveLength(2);
});

test("writeOpen() refuses header lists over 16 KiB and takes one of exactly that", () => {
  const w = new FrameWriter();
  const open = {
    execution: Buffer.alloc(16),
    handle: Buffer.alloc(16),
    deadlineMicros: 1,
    memoryBytes: 0,
    responseBytes: 0,
    principal: "",
    method: "GET",
    path: "/",
    query: "",
    params: [],
  };
  m.writeOpen(w, 1, { ...open, headers: [["a", "v".repeat(16_383)]] }, true);
  expect(readAll(w.take())).toHaveLength(1);
  expect(() => m.writeOpen(w, 1, { ...open, headers: [["a", "v".repeat(16_384)]] }, true)).toThrow(
    expect.objectContaining({ code: "frame.bound" }),
  );
});

interface FetchVectors {
  readonly requests: readonly (Omit<c.FetchRequest, "body"> & { body: string; hex: string })[];
  readonly replies: readonly (Record<string, unknown> & { body?: string; hex: string })[];
}

const fetchVectors = JSON.parse(
  readFileSync(new URL("../../../../test/vectors/frames/fetch.json", import.meta.url), "utf8"),
) as FetchVectors; // ours, committed

test("readFetchRequest() reads what the vectors say", () => {
  for (const { hex, ...fields } of fetchVectors.requests)
    expect(toJson(c.readFetchRequest(Buffer.from(hex, "hex")))).toEqual(fields);
});

test("fetchReplyBytes() writes what the vectors say", () => {
  for (const { hex, ...fields } of fetchVectors.replies) {
    const body = Buffer.from(fields.body ?? "", "hex");
    const reply = { ...fields, body } as unknown as c.FetchReply; // the vectors' own shape
    expect(Buffer.from(c.fetchReplyBytes(reply)).toString("hex")).toBe(hex);
  }
});

interface KvVectors {
  readonly requests: readonly { hex: string }[];
  readonly invalidRequests: readonly (readonly [string, string])[];
  readonly replies: readonly (Record<string, unknown> & { value?: string; hex: string })[];
}

const kvVectors = JSON.parse(
  readFileSync(new URL("../../../../test/vectors/frames/kv.json", import.meta.url), "utf8"),
) as KvVectors; // ours, committed

test("readKvRequest() reads what the vectors say, and refuses what is none", () => {
  for (const { hex, ...fields } of kvVectors.requests)
    expect(toJson(k.readKvRequest(Buffer.from(hex, "hex")))).toEqual(fields);
  for (const [what, hex] of kvVectors.invalidRequests)
    expect(() => k.readKvRequest(Buffer.from(hex, "hex")), what).toThrow(FrameError);
});

test("kvReplyBytes() writes what the vectors say", () => {
  for (const { hex, ...fields } of kvVectors.replies) {
    const value = Buffer.from(fields.value ?? "", "hex");
    const reply = { ...fields, value } as unknown as k.KvReply; // the vectors' own shape
    expect(Buffer.from(k.kvReplyBytes(reply)).toString("hex")).toBe(hex);
  }
});
