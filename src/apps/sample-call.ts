import { MAX_SAMPLE_BYTES, SAMPLE_METHOD, SAMPLE_TYPE } from "#contract";
import type { CallResult, ResponseFrame } from "#contract";
import { CodedError } from "#trust";
import { newIdBytes } from "#platform";
import { SandboxClient } from "#gateway";
import type { CallSink } from "#gateway";
import type { SandboxProcess } from "#runner";

const READY_MS = 5_000;
const DEADLINE_MS = 10_000;

class SampleError extends CodedError<"trial.line" | "trial.call"> {
  override readonly name = "SampleError";
}

/** Asks one fresh instance for its samples, on a line like a gateway's; null where its answer is no sample. Throws SampleError where the call does not end well. */
export async function askSample(
  sandbox: SandboxProcess,
  handle: Uint8Array,
): Promise<Uint8Array | null> {
  using client = await openClient(sandbox);
  return await new Promise((resolve, reject) => {
    const sink = new SampleSink((end) => {
      if (end instanceof Error) reject(end);
      else resolve(end);
    });
    client.call(
      {
        execution: newIdBytes(),
        handle,
        deadlineMicros: DEADLINE_MS * 1_000,
        memoryBytes: 0,
        responseBytes: 0,
        principal: "trial",
        method: SAMPLE_METHOD,
        path: "/",
        query: "",
        params: [],
        headers: [],
      },
      true,
      sink,
    );
  });
}

function openClient({ socketPath, secret }: SandboxProcess): Promise<SandboxClient> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      client[Symbol.dispose]();
      reject(new SampleError("trial.line", "the sandbox did not answer"));
    }, READY_MS);
    const client = new SandboxClient({
      socketPath,
      secret,
      onState: (state) => {
        if (state !== "ready") return;
        clearTimeout(late);
        resolve(client);
      },
    });
  });
}

/** Keeps a small answer and drops a large one. */
class SampleSink implements CallSink {
  readonly #done: (end: Uint8Array | null | Error) => void;
  readonly #parts: Buffer[] = [];
  #size = 0;
  #isSample = false;

  constructor(done: (end: Uint8Array | null | Error) => void) {
    this.#done = done;
  }

  onResponse({ headers }: ResponseFrame): void {
    this.#isSample = headers.some(
      ([name, value]) => name === "content-type" && value === SAMPLE_TYPE,
    );
  }

  onData(bytes: Buffer, start: number, end: number): boolean {
    this.#size += end - start;
    if (this.#size <= MAX_SAMPLE_BYTES) this.#parts.push(Buffer.from(bytes.subarray(start, end)));
    return true;
  }

  onEnd(): void {
    // The result follows.
  }

  onWritable(): void {
    // There is no body to send.
  }

  onResult({ outcome, code }: CallResult): void {
    if (outcome !== "done")
      return this.#done(
        new SampleError("trial.call", `the call ended with ${outcome} ${code}`.trim()),
      );
    const fits = this.#isSample && this.#size <= MAX_SAMPLE_BYTES;
    this.#done(fits ? Buffer.concat(this.#parts) : null);
  }
}
