import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  CallResult,
  GrantFrame,
  LogFrame,
  OpenFrame,
  ResponseFrame,
  RunnerClass,
} from "#contract";
import { SandboxClient } from "#gateway";
import { compileComponent, SandboxProcess } from "#runner";
import type { OnCall } from "#runner";
import { buildGuest } from "../guests/guests.ts";
import { nativePaths } from "./native-paths.ts";

type SandboxCall = ReturnType<SandboxClient["call"]>;
type SandboxExit = Parameters<Parameters<typeof SandboxProcess.start>[0]["onExit"]>[0];

const COMPILE_MS = 60_000;
const compiled = new Map<string, Promise<Uint8Array>>();

/** Compiled code of `test/guests/<name>.wat`, once per test process and class. */
export function guestCode(name: string, runnerClass: RunnerClass = "epoch"): Promise<Uint8Array> {
  const key = `${runnerClass} ${name}`;
  const present = compiled.get(key);
  if (present !== undefined) return present;
  const made = buildGuest(name).then((component) =>
    compileComponent(nativePaths().compiler, runnerClass, component, COMPILE_MS),
  );
  compiled.set(key, made);
  return made;
}

export interface Answer {
  readonly response: ResponseFrame | null;
  readonly body: string;
  readonly bytes: Buffer;
  readonly result: CallResult;
}

export interface Request {
  readonly deadlineMicros?: number;
  readonly memoryBytes?: number;
  readonly responseBytes?: number;
  readonly body?: Uint8Array;
  readonly method?: string;
  /** More of what a guest sees. */
  readonly seen?: Partial<Pick<OpenFrame, "path" | "query" | "params" | "headers">>;
  /** A body follows. */
  readonly open?: boolean;
}

export interface RunningCall {
  readonly call: SandboxCall;
  readonly answer: Promise<Answer>;
}

/** A sandbox process with one gateway line, as the runner and a gateway would hold them. */
export class Rig implements AsyncDisposable {
  readonly sandbox: SandboxProcess;
  readonly client: SandboxClient;
  readonly logs: LogFrame[];
  readonly exit: Promise<SandboxExit>;
  readonly #folder: string;
  readonly #class: RunnerClass;
  #handles = 0;

  private constructor(parts: {
    sandbox: SandboxProcess;
    client: SandboxClient;
    logs: LogFrame[];
    exit: Promise<SandboxExit>;
    folder: string;
    runnerClass: RunnerClass;
  }) {
    this.sandbox = parts.sandbox;
    this.client = parts.client;
    this.logs = parts.logs;
    this.exit = parts.exit;
    this.#folder = parts.folder;
    this.#class = parts.runnerClass;
  }

  static async start(
    options: { slots?: number; queue?: number; onCall?: OnCall; runnerClass?: RunnerClass } = {},
  ): Promise<Rig> {
    const folder = await mkdtemp(join(tmpdir(), "caisson-rig-"));
    const logs: LogFrame[] = [];
    const exited = Promise.withResolvers<SandboxExit>();
    const sandbox = await SandboxProcess.start({
      executable: nativePaths().sandbox,
      socketPath: join(folder, "s"),
      slots: 16,
      ...options,
      onLog: (log) => logs.push(log),
      onMetrics: () => {},
      onCall: options.onCall ?? (async () => new Uint8Array()),
      onExit: exited.resolve,
    });
    const client = await connect(sandbox.socketPath, sandbox.secret);
    const { runnerClass = "epoch" } = options;
    return new Rig({ sandbox, client, logs, exit: exited.promise, folder, runnerClass });
  }

  /** Loads a guest and grants it; the handle to call it by. */
  async admit(guest: string | Uint8Array, limits: Partial<GrantFrame> = {}): Promise<Uint8Array> {
    const load = await this.sandbox.load(
      typeof guest === "string" ? await guestCode(guest, this.#class) : guest,
    );
    this.#handles += 1;
    const grant = grantFor(load.id, Buffer.alloc(16, this.#handles), limits);
    await this.sandbox.grant(grant);
    return grant.handle;
  }

  call(handle: Uint8Array, request: Request = {}): RunningCall {
    return startCall(this.client, handle, request);
  }

  /** A call whose body the test sends. */
  open(handle: Uint8Array): RunningCall {
    return startCall(this.client, handle, { open: true });
  }

  async answer(handle: Uint8Array, request: Request = {}): Promise<Answer> {
    return this.call(handle, request).answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await this.sandbox.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export function grantFor(
  load: number,
  handle: Uint8Array,
  limits: Partial<GrantFrame> = {},
): GrantFrame {
  return {
    handle,
    tenant: Buffer.alloc(8, 1),
    load,
    capabilities: 1,
    memoryBytes: 32 << 20,
    deadlineMs: 30_000,
    requestBytes: 4 << 20,
    responseBytes: 4 << 20,
    logBytes: 65_536,
    logLines: 256,
    concurrency: 512,
    capabilityCalls: 256,
    egressRequests: 16,
    egressInBytes: 10 << 20,
    egressOutBytes: 10 << 20,
    fuel: 0,
    config: [],
    expiresMs: Date.now() + 3_600_000,
    ...limits,
  };
}

/** Resolves when the line is up; rejects with the sandbox's reason. */
export function connect(socketPath: string, secret: Uint8Array): Promise<SandboxClient> {
  return new Promise((resolve, reject) => {
    const client = new SandboxClient({
      socketPath,
      secret,
      onState: (state, reason) => {
        if (state === "ready") return resolve(client);
        client[Symbol.dispose]();
        reject(new Error(reason));
      },
    });
  });
}

export function startCall(
  client: SandboxClient,
  handle: Uint8Array,
  request: Request,
): RunningCall {
  const done = Promise.withResolvers<Answer>();
  const parts: Buffer[] = [];
  let response: ResponseFrame | null = null;
  const call = client.call(
    frameOf(handle, request),
    request.body === undefined && request.open !== true,
    {
      onResponse: (frame) => (response = frame),
      onData: (bytes, start, end) => parts.push(Buffer.from(bytes.subarray(start, end))) > 0,
      onEnd: () => {},
      onWritable: () => {},
      onResult: (result) => {
        const bytes = Buffer.concat(parts);
        done.resolve({ response, body: bytes.toString("utf8"), bytes, result });
      },
    },
  );
  if (request.body !== undefined) {
    call.write(request.body);
    call.end();
  }
  return { call, answer: done.promise };
}

function frameOf(handle: Uint8Array, request: Request): OpenFrame {
  return {
    execution: Buffer.alloc(16, 7),
    handle,
    deadlineMicros: request.deadlineMicros ?? 20_000_000,
    memoryBytes: request.memoryBytes ?? 0,
    responseBytes: request.responseBytes ?? 0,
    principal: "apiKey:test",
    method: request.method ?? "GET",
    path: "/",
    query: "",
    params: [],
    headers: [["accept", "*/*"]],
    ...request.seen,
  };
}
