import { close, fdatasync, ftruncateSync, openSync, writeSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "#platform";

const SEGMENT_BYTES = 1_048_576;
const SHIP_EVERY_MS = 250;
const MAX_SEGMENTS = 256;
/** More than calls can be open when the disk is full. */
const MAX_UNWRITTEN = 4_096;

/**
 * Records on their way to control: appended to segment files, sent one segment after the other, removed when control
 * has answered. What `append` took survives kill -9 of this process (it is in the page cache); power loss may cost what
 * the last 250 ms wrote. Full, or a disk that refuses: `open` is false, and the caller refuses calls; what was answered before is
 * held until it can be written.
 */
export interface Spool<Entry> extends AsyncDisposable {
  /** False while the spool is full or the disk refuses writes. */
  readonly open: boolean;
  /** Segments that wait for control. */
  readonly waiting: number;
  /** False: the entry is not taken. Of one that somebody waits for only where too much is held up already. */
  append(entry: Entry, written?: Written): boolean;
}

/** Whoever waits for an entry to be written. */
export interface Written {
  /** kept: in the file, where kill -9 of this process cannot reach it; false: the disk refuses, and it is held in memory. */
  onWritten(kept: boolean): void;
}

/** Writes the entries of one segment: what it makes of an entry may need what it made of those before. Their reader passes over half an entry at the end. */
export interface SegmentEncoder<Entry> {
  add(entry: Entry): void;
  /** The bytes of what was added since the last call; valid until the next `add`. */
  take(): Uint8Array;
}

export interface SpoolParts<Entry> {
  readonly dir: string;
  readonly newEncoder: () => SegmentEncoder<Entry>;
  readonly send: (segment: Uint8Array) => Promise<void>;
  readonly log: Log;
}

export async function openSpool<Entry>(parts: SpoolParts<Entry>): Promise<Spool<Entry>> {
  await mkdir(parts.dir, { recursive: true, mode: 0o700 });
  const spool = new FileSpool(parts);
  await spool.recover();
  return spool;
}

class FileSpool<Entry> implements Spool<Entry> {
  readonly #parts: SpoolParts<Entry>;
  readonly #timer: NodeJS.Timeout;
  readonly #flushSoon = (): void => this.#flush();
  #encoder: SegmentEncoder<Entry>;
  #fd: number | null = null;
  #size = 0;
  #segment = 0;
  #flushing = false;
  #waiting: string[] = [];
  #broken = false;
  /** Entries that are in no file yet: of this turn of the loop, or held up by a full disk. */
  #unwritten: Entry[] = [];
  #waiters: Written[] = [];
  #sending: Promise<void> | null = null;

  constructor(parts: SpoolParts<Entry>) {
    this.#parts = parts;
    this.#encoder = parts.newEncoder();
    this.#timer = setInterval(() => this.#ship(), SHIP_EVERY_MS);
  }

  async recover(): Promise<void> {
    this.#waiting = (await readdir(this.#parts.dir))
      .filter((name) => /^\d{12}\.segment$/.test(name))
      .toSorted();
    this.#segment = Number.parseInt(this.#waiting.at(-1) ?? "0", 10);
  }

  get open(): boolean {
    return this.#waiting.length < MAX_SEGMENTS && !this.#broken;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  append(entry: Entry, written?: Written): boolean {
    // Of a call that began while the spool was open; whoever waits for nothing is refused as soon as it is not.
    if (!this.open && written === undefined) return false;
    if (this.#unwritten.length >= MAX_UNWRITTEN) return false;
    this.#unwritten.push(entry);
    if (written !== undefined) this.#waiters.push(written);
    this.#encoder.add(entry);
    // One write per turn of the event loop, whatever number of calls ended in it.
    if (!this.#flushing) {
      this.#flushing = true;
      setImmediate(this.#flushSoon);
    }
    return true;
  }

  #flush(): void {
    this.#flushing = false;
    const bytes = this.#encoder.take();
    if (bytes.length === 0) return void (this.#unwritten = []);
    try {
      this.#fd ??= openSync(join(this.#parts.dir, segmentName(++this.#segment)), "a", 0o600);
      if (writeSync(this.#fd, bytes) < bytes.length) throw new Error("the disk is full");
      this.#broken = false;
      this.#unwritten = [];
      this.#tell(true);
      this.#size += bytes.length;
      if (this.#size > SEGMENT_BYTES) this.#roll();
    } catch (error) {
      // A full disk: later calls are refused until a write goes through again.
      this.#broken = true;
      this.#parts.log.error("spool.write", { reason: String(error) });
      this.#startAnew();
      this.#tell(false);
    }
  }

  #tell(kept: boolean): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.onWritten(kept);
  }

  /** What was half written is taken back, and written again behind a new beginning: it rests on what came before it. */
  #startAnew(): void {
    if (this.#fd !== null) ftruncateSync(this.#fd, this.#size);
    if (this.#fd === null || this.#size === 0) this.#encoder = this.#parts.newEncoder();
    else this.#roll();
    for (const entry of this.#unwritten) this.#encoder.add(entry);
  }

  #roll(): void {
    if (this.#fd === null) return;
    const fd = this.#fd;
    // Off this thread, where calls are answered; the segment is sent all the same, and removed when control has it.
    fdatasync(fd, () => close(fd));
    this.#waiting.push(segmentName(this.#segment));
    this.#encoder = this.#parts.newEncoder();
    this.#fd = null;
    this.#size = 0;
  }

  /** While segments wait, the one being written grows: a busy control gets fewer and larger ones. */
  #ship(): void {
    this.#flush();
    // What a full disk holds up stands in the encoder: no new one may take its place.
    if (this.#waiting.length === 0 && !this.#broken) this.#roll();
    else if (this.#fd !== null) fdatasync(this.#fd, () => {});
    this.#sending ??= this.#sendWaiting().finally(() => (this.#sending = null));
  }

  async #sendWaiting(): Promise<void> {
    for (let name = this.#waiting[0]; name !== undefined; name = this.#waiting[0]) {
      const path = join(this.#parts.dir, name);
      try {
        if ((await stat(path)).size > 0) await this.#parts.send(await readFile(path));
        await rm(path, { force: true });
        this.#waiting.shift();
      } catch (error) {
        // Control is away: the segment stays, the next turn tries again.
        const segments = this.#waiting.length;
        this.#parts.log.warn("spool.waiting", { segments, reason: String(error) });
        return;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#sending;
    this.#ship();
    await this.#sending;
  }
}

function segmentName(segment: number): string {
  return `${String(segment).padStart(12, "0")}.segment`;
}
