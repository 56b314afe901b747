/** Calls on one connection at once; the sandbox queues far fewer. A power of two. */
const PLACES = 8_192;

interface Streamed {
  readonly stream: number;
}

/**
 * Calls by their stream, which is odd and only grows: each has the place that its stream names, and a stream whose place
 * is taken is passed over. No Map: one that entries come to and leave all the time is copied again and again, and each
 * copy that the collector has moved aside keeps the next one and all its calls.
 */
export class OpenCalls<Call extends Streamed> {
  readonly #places: (Call | null)[] = Array.from({ length: PLACES }, () => null);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The first stream from `stream` on that is free; null: none. */
  freeFrom(stream: number): number | null {
    if (this.#count === PLACES) return null;
    let free = stream;
    while (this.#places[placeOf(free)] !== null) free += 2;
    return free;
  }

  add(call: Call): void {
    this.#places[placeOf(call.stream)] = call;
    this.#count++;
  }

  get(stream: number): Call | undefined {
    const call = this.#places[placeOf(stream)] ?? null;
    return call !== null && call.stream === stream ? call : undefined;
  }

  remove(call: Call): void {
    this.#places[placeOf(call.stream)] = null;
    this.#count--;
  }

  all(): Call[] {
    return this.#places.filter((call) => call !== null);
  }

  takeAll(): Call[] {
    const calls = this.all();
    this.#places.fill(null);
    this.#count = 0;
    return calls;
  }
}

function placeOf(stream: number): number {
  return (stream >>> 1) & (PLACES - 1);
}
