import type { SegmentEncoder } from "./spool.ts";

/** A line of JSON for each entry. */
export class LineEncoder implements SegmentEncoder<object> {
  #lines = "";

  add(entry: object): void {
    this.#lines += `${JSON.stringify(entry)}\n`;
  }

  take(): Uint8Array {
    const bytes = Buffer.from(this.#lines);
    this.#lines = "";
    return bytes;
  }
}
