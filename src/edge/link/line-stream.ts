import type { Readable } from "node:stream";
import { ObjectReader, parseStrictJson } from "#trust";
import type { Log } from "#platform";
import { LinkError } from "./link-error.ts";

const RETRY_MS = [100, 200, 500, 1_000];
/** Control sends a heartbeat every 250 ms: a stream that is silent for so long has broken without a word. */
const SILENT_MS = 3_000;
const MAX_LINE_BYTES = 24 * 1_048_576;

export interface LineStream {
  readonly path: string;
  readonly open: (path: string, init: { readonly signal: AbortSignal }) => Promise<Readable>;
  /** One JSON object of the stream; the next one waits for it. */
  readonly take: (line: ObjectReader) => Promise<void>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Follows a stream of JSON lines until it is told to stop; a stream that ends or falls silent is opened again. */
export async function followLines(stream: LineStream): Promise<void> {
  // Told once for each reason, not at each attempt.
  let lost = "";
  const onConnected = () => {
    if (lost !== "") stream.log.info("link.back", { path: stream.path });
    lost = "";
  };
  for (let attempt = 0; !stream.signal.aborted; attempt++) {
    try {
      await readStream(stream, () => {
        attempt = 0;
        onConnected();
      });
    } catch (error) {
      const reason = String(error);
      if (!stream.signal.aborted && reason !== lost)
        stream.log.warn("link.lost", { path: stream.path, reason });
      lost = reason;
    }
    await pause(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 1_000, stream.signal);
  }
}

async function readStream(stream: LineStream, connected: () => void): Promise<void> {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENT_MS);
  try {
    const answer = await stream.open(stream.path, {
      signal: AbortSignal.any([stream.signal, silent.signal]),
    });
    connected();
    for await (const text of linesOf(answer)) {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENT_MS);
      const value = parseStrictJson(new TextEncoder().encode(text), { maxBytes: MAX_LINE_BYTES });
      await stream.take(ObjectReader.of(value, "line"));
    }
  } finally {
    clearTimeout(timer);
  }
}

async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > MAX_LINE_BYTES)
      throw new LinkError("link.refused", `a line over ${MAX_LINE_BYTES} bytes`);
    const parts = rest.split("\n");
    rest = parts.pop() ?? "";
    yield* parts.filter((part) => part !== "");
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
