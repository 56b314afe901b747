import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { encodeHex, uuidText } from "#trust";
import { denialOf, failureBytes, Fence, sandboxFolder } from "#contract";
import type {
  CapabilityCall,
  Grant,
  LogFrame,
  LogLevel,
  LogRecord,
  MetricsFrame,
  RunnerClass,
} from "#contract";
import { redactSecrets } from "#platform";
import type { Log, Metrics } from "#platform";
import type { ControlLine, FenceCounts, Spool } from "#link";
import { BrokerClient, GuestMetrics, SandboxCrew } from "#runner";
import type { GrantKeeper, KeeperParts, LoadState, SandboxProcess } from "#runner";
import { MAX_DRAIN_MS } from "./drain.ts";

/** of: the sandbox that the call runs in. */
interface CallFrom {
  readonly argument: Uint8Array;
  readonly signal: AbortSignal;
  readonly of: GrantKeeper;
}

interface HandleLine {
  readonly handle: Uint8Array;
  readonly execution: Uint8Array;
  readonly level: LogLevel;
  readonly at: number;
  readonly message: string;
}

export interface HostParts {
  readonly executable: string;
  readonly runtime: string;
  readonly keeperOf: (runnerClass: RunnerClass) => Promise<KeeperParts>;
  readonly line: ControlLine;
  readonly spool: Spool<LogRecord>;
  readonly metrics: Metrics;
  readonly log: Log;
}

/**
 * Keeps sandboxes running and granted, and takes what comes from them: those of class epoch from the start, those of class
 * fuel from the first grant that has fuel on.
 */
export class SandboxHost {
  readonly #parts: HostParts;
  readonly #crews = new Map<RunnerClass, SandboxCrew>();
  readonly #broker: BrokerClient;
  #fuelStarted = false;
  #stopping = false;
  #sequence = new Map<string, number>();
  /** Kept over the end of a sandbox. */
  readonly guestMetrics = new GuestMetrics();

  constructor(parts: HostParts) {
    const { runtime, line } = parts;
    this.#parts = parts;
    this.#broker = new BrokerClient({
      socketPath: join(runtime, "broker.sock"),
      secretPath: join(runtime, "broker.secret"),
    });
    line.onChange(() => void this.#apply());
    line.onFence((fence) => this.#fence(fence));
  }

  /** Grants that the sandboxes hold. */
  get grants(): number {
    return this.#keepers().reduce((sum, { count }) => sum + count, 0);
  }

  get spareReady(): boolean {
    return this.#crews.get("epoch")?.spareReady === true;
  }

  grantOf(handle: string): Grant | undefined {
    return this.#keepers()
      .find((keeper) => keeper.grantOf(handle))
      ?.grantOf(handle);
  }

  /** Of class epoch; null between the end of one sandbox and the start of the next. */
  get sandbox(): SandboxProcess | null {
    return this.#crews.get("epoch")?.current?.sandbox ?? null;
  }

  async start(): Promise<void> {
    await this.#startCrew("epoch");
    await this.#startFuel();
    this.#keepMetrics();
  }

  async #startCrew(runnerClass: RunnerClass): Promise<void> {
    const { executable, line, keeperOf } = this.#parts;
    const runtime = sandboxFolder(this.#parts.runtime, runnerClass);
    await mkdir(runtime, { recursive: true, mode: 0o700 });
    const crew = new SandboxCrew({
      executable,
      runtime,
      keeper: await keeperOf(runnerClass),
      // Before control has said what is stopped, nothing is granted: this is only the first one.
      fence: line.state.fence ?? new Fence(0, []),
      state: () => this.#state(),
      onLog: (frame, of) => this.#onLog(frame, of),
      onMetrics: (frame, of) => this.#onMetrics(frame, of),
      onCall: (asked, argument, signal, of) => this.#onCall(asked, { argument, signal, of }),
    });
    this.#crews.set(runnerClass, crew); // from here on a fence reaches it
    await crew.start();
  }

  /** A sandbox of that class takes memory: it is started where a grant needs it. */
  async #startFuel(): Promise<void> {
    const needed = this.#crews.get("epoch")?.current?.keeper.sawOther === true;
    if (!needed || this.#fuelStarted || this.#stopping) return;
    this.#fuelStarted = true; // before anything is waited for: a snapshot that comes meanwhile starts no second one
    try {
      await this.#startCrew("fuel");
    } catch (error) {
      this.#crews.delete("fuel");
      this.#fuelStarted = false;
      this.#parts.log.error("sandbox.fuel", { reason: String(error) });
    }
  }

  async #fence(fence: Fence): Promise<FenceCounts> {
    const counts = await Promise.all([...this.#crews.values()].map((crew) => crew.fence(fence)));
    const sum = (count: (one: FenceCounts) => number) =>
      counts.reduce((all, one) => all + count(one), 0);
    return {
      refused: sum(({ refused }) => refused),
      unqueued: sum(({ unqueued }) => unqueued),
      killed: sum(({ killed }) => killed),
    };
  }

  #keepers(): GrantKeeper[] {
    return [...this.#crews.values()].flatMap(({ current }) => current?.keeper ?? []);
  }

  #state(): LoadState | null {
    const served = this.#parts.line.fresh();
    const { trustRoot } = this.#parts.line.state;
    return served === null || trustRoot === null ? null : { snapshot: served.snapshot, trustRoot };
  }

  async #apply(): Promise<void> {
    await Promise.all([...this.#crews.values()].map((crew) => crew.apply()));
    await this.#startFuel();
    this.#keepMetrics();
  }

  #keepMetrics(): void {
    const keepers = this.#keepers();
    if (keepers.length > 0)
      this.guestMetrics.keep(new Set(keepers.flatMap((keeper) => [...keeper.installs()])));
  }

  /** Asks the broker under the grant of the call; what it denies is on record with the execution. */
  async #onCall(asked: CapabilityCall, { argument, signal, of }: CallFrom): Promise<Uint8Array> {
    const grant = of.documentOf(encodeHex(asked.handle));
    if (grant === undefined) return failureBytes("denied", "the grant is gone");
    const { deadlineMicros, capability } = asked;
    const reply = await this.#broker.ask(capability, { grant, argument, deadlineMicros }, signal);
    const denial = denialOf(reply);
    if (denial !== null) {
      const message = `${capability} denied: ${denial}`;
      this.#record({ ...asked, level: "warn", at: Date.now(), message }, of);
    }
    return reply;
  }

  #onLog(frame: LogFrame, of: GrantKeeper): void {
    for (const { handle, execution, level, unixMicros, text } of frame.lines) {
      const at = Math.floor(unixMicros / 1_000);
      this.#record({ handle, execution, level, at, message: text }, of);
    }
  }

  #onMetrics({ dropped, points }: MetricsFrame, of: GrantKeeper): void {
    const drop = (reason: string, by = 1) =>
      this.#parts.metrics.count("caisson_guest_points_dropped_total", { reason }, by);
    if (dropped > 0) drop("budget", dropped);
    for (const point of points) {
      const owner = of.pointOwnerOf(encodeHex(point.handle));
      const refused = owner === undefined ? "gone" : this.guestMetrics.take(owner, point);
      if (refused !== null) drop(refused);
    }
  }

  /** Whose line it is, the grant behind its handle tells. */
  #record(line: HandleLine, of: GrantKeeper): void {
    const grant = of.grantOf(encodeHex(line.handle));
    if (grant === undefined) return;
    const { tenant, install, extension } = grant;
    const { level, at } = line;
    const message = redactSecrets(line.message); // stops: a secret on this disk, in the database and before whoever reads logs
    const execution = uuidText(line.execution);
    const seq = this.#next(execution);
    this.#parts.spool.append({ tenant, install, extension, execution, seq, level, message, at });
  }

  /** Lines of one execution come together; a few hundred executions are remembered. */
  #next(execution: string): number {
    const seq = this.#sequence.get(execution) ?? 0;
    this.#sequence.set(execution, seq + 1);
    const [oldest] = this.#sequence.keys();
    if (this.#sequence.size > 1_000 && oldest !== undefined) this.#sequence.delete(oldest);
    return seq;
  }

  /** Lets the calls inside come to their end first. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#crews.values()].map((crew) => crew.drain(MAX_DRAIN_MS)));
  }
}
