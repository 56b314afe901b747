import { close, fdatasync, openSync, writeSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "#platform";

const SEGMENT_BYTES = 1_048_576;
const SEND_EVERY_MS = 250;
const MAX_SEGMENTS = 256;

/**
 * Records on their way to control: appended to files, sent in batches, removed when control has answered.
 * What `append` took survives kill -9 of this process (it is in the page cache); power loss may cost what the
 * last 250 ms wrote. Full = `append` answers false, and the caller refuses the call.
 */
export interface Spool extends AsyncDisposable {
  /** False while the spool is full or the disk refuses writes. */
  readonly open: boolean;
  append(record: object): boolean;
}

export async function openSpool(parts: {
  readonly dir: string;
  readonly send: (batch: Uint8Array) => Promise<void>;
  readonly log: Log;
}): Promise<Spool> {
  await mkdir(parts.dir, { recursive: true, mode: 0o700 });
  const spool = new FileSpool(parts);
  await spool.recover();
  return spool;
}

class FileSpool implements Spool {
  readonly #dir: string;
  readonly #send: (batch: Uint8Array) => Promise<void>;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  #lines: string[] = [];
  #fd: number | null = null;
  #size = 0;
  #segment = 0;
  #flushing = false;
  #waiting: string[] = [];
  #broken = false;
  #sending: Promise<void> | null = null;

  constructor({
    dir,
    send,
    log,
  }: {
    readonly dir: string;
    readonly send: (batch: Uint8Array) => Promise<void>;
    readonly log: Log;
  }) {
    this.#dir = dir;
    this.#send = send;
    this.#log = log;
    this.#timer = setInterval(() => void this.#ship(), SEND_EVERY_MS);
  }

  async recover(): Promise<void> {
    this.#waiting = (await readdir(this.#dir))
      .filter((name) => /^\d{12}\.ndjson$/.test(name))
      .toSorted();
    this.#segment = Number.parseInt(this.#waiting.at(-1) ?? "0", 10);
  }

  get open(): boolean {
    return this.#waiting.length < MAX_SEGMENTS && !this.#broken;
  }

  append(record: object): boolean {
    if (!this.open) return false;
    this.#lines.push(JSON.stringify(record));
    // One write per turn of the event loop, whatever number of calls ended in it.
    if (!this.#flushing) {
      this.#flushing = true;
      setImmediate(() => this.#flush());
    }
    return true;
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#lines.length === 0) return;
    const bytes = Buffer.from(`${this.#lines.join("\n")}\n`);
    this.#lines = [];
    try {
      this.#fd ??= openSync(join(this.#dir, segmentName(++this.#segment)), "a", 0o600);
      writeSync(this.#fd, bytes);
      this.#broken = false;
      this.#size += bytes.length;
      if (this.#size > SEGMENT_BYTES) this.#roll();
    } catch (error) {
      // A full disk: later calls are refused until a write goes through again.
      this.#broken = true;
      this.#log.error("spool.write", { reason: String(error) });
    }
  }

  #roll(): void {
    if (this.#fd === null) return;
    const fd = this.#fd;
    // Off this thread, where calls are answered; the segment is sent all the same, and removed when control has it.
    fdatasync(fd, () => close(fd));
    this.#waiting.push(segmentName(this.#segment));
    this.#fd = null;
    this.#size = 0;
  }

  async #ship(): Promise<void> {
    this.#broken = false;
    this.#flush();
    if (this.#size > 0) this.#roll();
    this.#sending ??= this.#sendWaiting().finally(() => (this.#sending = null));
    await this.#sending;
  }

  async #sendWaiting(): Promise<void> {
    for (let name = this.#waiting[0]; name !== undefined; name = this.#waiting[0]) {
      const path = join(this.#dir, name);
      try {
        if ((await stat(path)).size > 0) await this.#send(await readFile(path));
        await rm(path, { force: true });
        this.#waiting.shift();
      } catch (error) {
        // Control is away: the segment stays, the next turn tries again.
        this.#log.warn("spool.waiting", { segments: this.#waiting.length, reason: String(error) });
        return;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#ship();
  }
}

function segmentName(segment: number): string {
  return `${String(segment).padStart(12, "0")}.ndjson`;
}
