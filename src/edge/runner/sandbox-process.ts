import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import type { Socket } from "node:net";
import {
  capabilityBits,
  frameTypes,
  FrameDecoder,
  FrameWriter,
  INITIAL_CREDIT_BYTES,
  MAX_FRAME_BYTES,
  MAX_PAYLOAD_BYTES,
  PROTOCOL_VERSION,
  readEmpty,
  readHalted,
  readHello,
  readLoaded,
  readLog,
  readMetrics,
  readNonce,
  readReason,
  writeData,
  writeEmpty,
  writeGrant,
  writeHalt,
  writeHello,
  writeLoad,
  writeNonce,
  writeReply,
  writeUngrant,
} from "#contract";
import type {
  FrameType,
  GrantFrame,
  HaltedFrame,
  LogFrame,
  MetricsFrame,
  RunnerClass,
} from "#contract";
import { encodeHex, quote } from "#trust";
import { CapabilityCalls } from "./capability-calls.ts";
import type { OnCall } from "./capability-calls.ts";
import { RunnerProcessError } from "./runner-process-error.ts";

const START_MS = 20_000;
const STOP_MS = 1_000;
const MAX_STDERR_BYTES = 4_096;
const PARENT_FD = 3;
/** Calls come and go in batches, so many blocks of one size are free at once; by itself glibc keeps 7 of them at hand. */
const KEPT_BLOCKS = "glibc.malloc.tcache_count=256";

export interface SandboxOptions {
  readonly executable: string;
  /** epoch unless told. */
  readonly runnerClass?: RunnerClass;
  /** In a 0700 folder, at most 107 bytes; gateways connect here. */
  readonly socketPath: string;
  readonly slots?: number;
  readonly memoryMib?: number;
  readonly queue?: number;
  readonly onLog: (log: LogFrame) => void;
  readonly onMetrics: (metrics: MetricsFrame) => void;
  /** A guest's call to the world outside; the reply's bytes. signal: the call is over, nobody waits. */
  readonly onCall: OnCall;
  /** Once, when the process is gone for any reason; `detail` is its last words, attacker-controlled at worst. */
  readonly onExit: (exit: SandboxExit) => void;
}

export interface SandboxExit {
  readonly status: number | null;
  readonly signal: string | null;
  readonly detail: string;
}

export interface SandboxLoad {
  readonly id: number;
  /** Names of the capabilities that the component imports. */
  readonly capabilities: readonly string[];
}

interface Waiting {
  readonly resolve: (payload: Buffer) => void;
  readonly reject: (error: Error) => void;
  readonly answer: FrameType;
}

/**
 * One sandbox process and the line to it on descriptor 3. The process ends when that line closes, so it cannot outlive
 * this one. Restarting is the caller's business.
 */
export class SandboxProcess implements AsyncDisposable {
  /** 32 bytes that every gateway must show in its HELLO; made for this process alone. */
  readonly secret: Uint8Array = randomBytes(32);
  readonly socketPath: string;
  readonly #child: ChildProcess;
  readonly #line: Socket;
  readonly #options: SandboxOptions;
  readonly #writer = new FrameWriter();
  readonly #waiting = new Map<number, Waiting>();
  readonly #calls: CapabilityCalls;
  readonly #gone: Promise<void>;
  #exited = false;
  #stderr = "";
  #nextStream = 1;
  #fingerprint = "";
  #lockdown = 0;

  /** Resolves after the handshake. Throws RunnerProcessError `sandbox.start`. */
  static async start(options: SandboxOptions): Promise<SandboxProcess> {
    const sandbox = new SandboxProcess(options);
    try {
      await sandbox.#greet();
      return sandbox;
    } catch (cause) {
      await sandbox.stop();
      throw new RunnerProcessError(
        "sandbox.start",
        `cannot start the sandbox: ${quote(sandbox.#stderr.trim(), 500)}`,
        "",
        { cause },
      );
    }
  }

  private constructor(options: SandboxOptions) {
    this.#options = options;
    this.#calls = new CapabilityCalls(options.onCall, (stream, reply) =>
      this.#answer(stream, reply),
    );
    this.socketPath = options.socketPath;
    rmSync(options.socketPath, { force: true });
    // An empty environment, no standard input or output: the sandbox has its two sockets and standard error.
    this.#child = spawn(options.executable, argumentsOf(options), {
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      env: { GLIBC_TUNABLES: KEPT_BLOCKS },
    });
    this.#line = this.#child.stdio[PARENT_FD] as Socket; // "pipe" makes a socket pair
    this.#gone = new Promise((resolve) => {
      this.#child.once("error", (cause) => this.#onExit(null, null, resolve, cause));
      this.#child.once("close", (status, signal) => this.#onExit(status, signal, resolve));
    });
    this.#child.stderr?.on(
      "data",
      (chunk: Buffer) =>
        (this.#stderr = (this.#stderr + chunk.toString("utf8")).slice(-MAX_STDERR_BYTES)),
    );
    const decoder = new FrameDecoder((type, flags, stream, bytes, start, end) =>
      this.#onFrame(type, flags, stream, bytes.subarray(start, end)),
    );
    this.#line.on("data", (chunk: Buffer) => this.#guard(() => decoder.push(chunk)));
    this.#line.on("error", () => {}); // "close" of the process follows
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The engine's, 64 hex digits: code built for another one is refused. */
  get fingerprint(): string {
    return this.#fingerprint;
  }

  /** Bits: 1 landlock, 2 seccomp, 4 no_new_privs, 8 undumpable. */
  get lockdown(): number {
    return this.#lockdown;
  }

  /**
   * Hands compiled code down; the sandbox compares the digest of the sealed bytes before it maps them.
   * The caller has verified the build record of exactly this digest (see `verifyBuild`).
   * Throws `sandbox.refused` with reason load.digest, load.engine, component.import, component.export.
   */
  async load(
    code: Uint8Array,
    sha256: Uint8Array = createHash("sha256").update(code).digest(),
  ): Promise<SandboxLoad> {
    const id = this.#stream();
    const loaded = this.#expect(id, frameTypes.loaded);
    loaded.catch(() => {}); // awaited below, after the bytes
    writeLoad(this.#writer, id, { sha256, size: code.length });
    for (let at = 0; at < code.length; at += MAX_PAYLOAD_BYTES) {
      writeData(this.#writer, id, code.subarray(at, at + MAX_PAYLOAD_BYTES));
      await this.#flush();
    }
    writeEmpty(this.#writer, "end", id);
    await this.#flush();
    const bits = readLoaded(await loaded);
    return {
      id,
      capabilities: Object.entries(capabilityBits).flatMap(([name, bit]) =>
        (bits & bit) === 0 ? [] : [name],
      ),
    };
  }

  /** Replaces the grant of the same handle. Throws `sandbox.refused` with reason grant.load, grant.capability, grant.count. */
  async grant(grant: GrantFrame): Promise<void> {
    readEmpty(
      await this.#ask(frameTypes.done, (stream) => writeGrant(this.#writer, stream, grant)),
    );
  }

  /** No call starts under this handle any more; those inside go on (see `halt`). */
  async ungrant(handle: Uint8Array): Promise<void> {
    readEmpty(
      await this.#ask(frameTypes.done, (stream) => writeUngrant(this.#writer, stream, handle)),
    );
  }

  /** Removes a load and its grants; calls inside keep their code until they end. */
  async unload(load: SandboxLoad): Promise<void> {
    const done = this.#expect(load.id, frameTypes.done);
    writeEmpty(this.#writer, "unload", load.id);
    await this.#flush();
    readEmpty(await done);
  }

  /** From now on every OPEN is refused with `runner.draining`; the process ends when its calls have ended (see `gone`). */
  async drain(): Promise<void> {
    readEmpty(
      await this.#ask(frameTypes.done, (stream) => writeEmpty(this.#writer, "drain", stream)),
    );
  }

  /** Removes one grant (null: all) and ends its queued and running calls; resolves with the counts when they are ended. */
  async halt(handle: Uint8Array | null, epoch: number): Promise<HaltedFrame> {
    return readHalted(
      await this.#ask(frameTypes.halt, (stream) =>
        writeHalt(this.#writer, stream, { handle, epoch }),
      ),
    );
  }

  /** Resolves when the process answers: its loop turns. */
  async ping(): Promise<void> {
    const pong = this.#expect(0, frameTypes.pong);
    writeNonce(this.#writer, "ping", randomBytes(8));
    await this.#flush();
    readNonce(await pong);
  }

  /** Resolves when the process is gone. */
  get gone(): Promise<void> {
    return this.#gone;
  }

  get ended(): boolean {
    return this.#exited;
  }

  /** For a process that does not come back: its calls are lost. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Closes the line, which ends the process; kills it when it does not go. */
  async stop(): Promise<void> {
    this.#line.destroy();
    const timer = setTimeout(() => this.kill(), STOP_MS);
    await this.#gone;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #greet(): Promise<void> {
    const timer = setTimeout(() => this.kill(), START_MS);
    const answer = this.#expect(0, frameTypes.hello);
    writeHello(
      this.#writer,
      {
        version: PROTOCOL_VERSION,
        maxFrame: MAX_FRAME_BYTES,
        credit: INITIAL_CREDIT_BYTES,
        proof: this.secret,
        lockdown: 0,
        wit: [],
      },
      0,
    );
    await this.#flush();
    const hello = readHello(await answer, 1);
    clearTimeout(timer);
    if (hello.version !== PROTOCOL_VERSION)
      throw new RunnerProcessError(
        "sandbox.protocol",
        `cannot talk to the sandbox: it speaks version ${hello.version}`,
      );
    this.#fingerprint = encodeHex(hello.proof);
    this.#lockdown = hello.lockdown;
  }

  async #ask(answer: FrameType, write: (stream: number) => void): Promise<Buffer> {
    const stream = this.#stream();
    const reply = this.#expect(stream, answer);
    write(stream);
    await this.#flush();
    return reply;
  }

  /** Odd: the even ones are the sandbox's own. */
  #stream(): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    return stream;
  }

  #expect(stream: number, answer: FrameType): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#exited)
        return reject(
          new RunnerProcessError("sandbox.gone", "cannot reach the sandbox: it has ended"),
        );
      this.#waiting.set(stream, { resolve, reject, answer });
    });
  }

  /** Waits where the sandbox reads slower than we write. */
  async #flush(): Promise<void> {
    if (this.#writer.length === 0 || this.#line.destroyed) return;
    if (!this.#line.write(this.#writer.take()))
      await Promise.race([new Promise((resolve) => this.#line.once("drain", resolve)), this.#gone]);
  }

  #onFrame(type: FrameType, flags: number, stream: number, payload: Buffer): void {
    if (type === frameTypes.log) return this.#options.onLog(readLog(payload));
    if (type === frameTypes.metrics) return this.#options.onMetrics(readMetrics(payload));
    if (type === frameTypes.call || (stream !== 0 && stream % 2 === 0))
      return this.#calls.onFrame(type, stream, payload);
    if (type === frameTypes.close) {
      const { code, message } = readReason(payload);
      return this.#fail(
        new RunnerProcessError(
          "sandbox.protocol",
          `the sandbox closed the line: ${quote(message)}`,
          code,
        ),
      );
    }
    const waiting = this.#waiting.get(stream);
    this.#waiting.delete(stream);
    if (waiting === undefined)
      throw new RunnerProcessError(
        "sandbox.protocol",
        `cannot take frame ${type}: nothing waits for it`,
      );
    if (type === frameTypes.refused) {
      const { code, message } = readReason(payload);
      waiting.reject(
        new RunnerProcessError(
          "sandbox.refused",
          `the sandbox refused: ${quote(message, 500)}`,
          code,
        ),
      );
    } else if (type !== waiting.answer) {
      waiting.reject(
        new RunnerProcessError(
          "sandbox.protocol",
          `cannot take frame ${type} with flags ${flags}, wanted ${waiting.answer}`,
        ),
      );
    } else waiting.resolve(Buffer.from(payload));
  }

  async #answer(stream: number, reply: Uint8Array): Promise<void> {
    writeReply(this.#writer, stream, reply.length);
    for (let at = 0; at < reply.length; at += MAX_PAYLOAD_BYTES)
      writeData(this.#writer, stream, reply.subarray(at, at + MAX_PAYLOAD_BYTES));
    writeEmpty(this.#writer, "end", stream);
    await this.#flush();
  }

  /** A frame that does not decode ends the process: its other side is not what we started. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (cause) {
      this.#fail(
        new RunnerProcessError("sandbox.protocol", "cannot read from the sandbox", "", { cause }),
      );
      this.#line.destroy();
    }
  }

  #fail(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }

  #onExit(status: number | null, signal: string | null, done: () => void, cause?: unknown): void {
    if (this.#exited) return;
    this.#exited = true;
    this.#calls.abandon();
    this.#fail(
      new RunnerProcessError(
        "sandbox.gone",
        `the sandbox has ended: ${quote(this.#stderr.trim(), 500)}`,
        "",
        { cause },
      ),
    );
    rmSync(this.#options.socketPath, { force: true });
    done();
    this.#options.onExit({ status, signal, detail: this.#stderr.trim() });
  }
}

function argumentsOf(options: SandboxOptions): string[] {
  const args = ["--socket", options.socketPath, "--class", options.runnerClass ?? "epoch"];
  if (options.slots !== undefined) args.push("--slots", String(options.slots));
  if (options.memoryMib !== undefined) args.push("--memory-mib", String(options.memoryMib));
  if (options.queue !== undefined) args.push("--queue", String(options.queue));
  return args;
}
