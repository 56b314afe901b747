import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeHex } from "#trust";
import { failureBytes, SANDBOX_PLACES_FILE, sandboxPlacesText } from "#contract";
import type { CapabilityCall, Fence, LogFrame, MetricsFrame } from "#contract";
import { NOTHING_STOPPED } from "#link";
import type { FenceCounts } from "#link";
import { GrantKeeper } from "./grant-keeper.ts";
import type { KeeperParts, LoadState } from "./grant-keeper.ts";
import { SandboxProcess } from "./sandbox-process.ts";
import type { SandboxExit } from "./sandbox-process.ts";

const RESTART_MS = 100;
/** Until what control could not be asked is asked again. */
const AGAIN_MS = 1_000;
/** The machine serves its first calls before a spare takes time of it. */
const SPARE_AFTER_MS = 500;
/** Looks are counted and not time: a runner that gets no processor itself accuses nobody. */
const LOOK_MS = 100;
/** Rung 3: so many looks without an answer, about a second, and the process leaves. */
const LEAVE_LOOKS = 10;
/** Rung 4: about five seconds, and it is killed. */
const KILL_LOOKS = 50;
/** A fence waits no longer, about two seconds, for a process that does not come back: what it stops is stopped everywhere. */
const FENCE_LOOKS = 20;
const SOCKETS = /^sandbox-[0-9a-f]{6}\.sock$/;

export interface CrewParts {
  readonly executable: string;
  /** 0700; sockets and the places file lie here. */
  readonly runtime: string;
  readonly keeper: KeeperParts;
  /** The newest there is when the first sandbox starts. */
  readonly fence: Fence;
  /** What is served now; null: nothing yet, or no more. */
  readonly state: () => LoadState | null;
  /** keeper: of the sandbox that it comes from. */
  readonly onLog: (frame: LogFrame, keeper: GrantKeeper) => void;
  readonly onMetrics: (frame: MetricsFrame, keeper: GrantKeeper) => void;
  readonly onCall: (
    asked: CapabilityCall,
    argument: Uint8Array,
    signal: AbortSignal,
    keeper: GrantKeeper,
  ) => Promise<Uint8Array>;
}

/** One sandbox with what it was granted. */
interface Member {
  readonly socket: string;
  readonly sandbox: SandboxProcess;
  readonly keeper: GrantKeeper;
  /** Looks since the last question that has no answer yet. */
  unanswered: number;
  /** Holds what the newest state grants. */
  loaded: boolean;
  /** Fences that wait for it. */
  fences: number;
}

/**
 * The sandboxes of one runner: one that takes calls, a warm spare with the same loads and grants, and those that leave.
 * What ends is replaced, what does not come back climbs the kill ladder (rungs 3 and 4), and a fence reaches them all.
 */
export class SandboxCrew {
  readonly #parts: CrewParts;
  #fence: Fence;
  #current: Member | null = null;
  #spare: Member | null = null;
  readonly #leaving = new Set<Member>();
  readonly #again = new WeakSet<Member>();
  readonly #killed: string[] = [];
  #looking: NodeJS.Timeout | null = null;
  #hiringSpare = false;
  #stopping = false;
  #published = "";

  constructor(parts: CrewParts) {
    this.#parts = parts;
    this.#fence = parts.fence;
  }

  /** Takes calls now; null between the end of one and the start of the next. */
  get current(): Pick<Member, "sandbox" | "keeper"> | null {
    return this.#current;
  }

  /** A spare would take over at once. */
  get spareReady(): boolean {
    return this.#spare?.loaded === true;
  }

  /** Resolves when the first sandbox serves; the spare follows. Throws RunnerProcessError "sandbox.start". */
  async start(): Promise<void> {
    const { runtime } = this.#parts;
    for (const name of readdirSync(runtime).filter((each) => SOCKETS.test(each)))
      rmSync(join(runtime, name), { force: true });
    this.#publish();
    this.#current = await this.#hire();
    await this.#load(this.#current);
    this.#publish();
    setTimeout(() => void this.#hireSpare(), SPARE_AFTER_MS);
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Brings every sandbox that takes calls, or may, to the newest state: the one that serves first. */
  async apply(): Promise<void> {
    if (this.#current !== null) await this.#load(this.#current);
    if (this.#spare !== null) void this.#load(this.#spare);
  }

  /** Resolves when the fence is in force in every sandbox, those that leave included; one that does not answer is killed. */
  async fence(fence: Fence): Promise<FenceCounts> {
    this.#fence = fence;
    const counts = await Promise.all(
      this.#members().map((member) => this.#fenceOne(member, fence)),
    );
    const sum = (count: (one: FenceCounts) => number) =>
      counts.reduce((all, one) => all + count(one), 0);
    return {
      refused: Math.max(0, ...counts.map(({ refused }) => refused)),
      unqueued: sum(({ unqueued }) => unqueued),
      killed: sum(({ killed }) => killed),
    };
  }

  /** No call starts any more; resolves when those inside have ended, after graceMs at the latest, and every process is gone. */
  async drain(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#publish();
    await this.#spare?.sandbox.stop();
    for (const { sandbox } of this.#members()) sandbox.drain().catch(() => {}); // gone already
    const late = setTimeout(() => {
      for (const { sandbox } of this.#members()) void sandbox.stop();
    }, graceMs);
    await Promise.all(this.#members().map(({ sandbox }) => sandbox.gone));
    clearTimeout(late);
    if (this.#looking !== null) clearInterval(this.#looking);
  }

  #members(): Member[] {
    return [this.#current, this.#spare, ...this.#leaving].filter((member) => member !== null);
  }

  async #load(member: Member): Promise<void> {
    const state = this.#parts.state();
    const like = member === this.#current ? null : (this.#current?.keeper ?? null);
    if (state !== null && !member.sandbox.ended) await member.keeper.apply(state, like);
    member.loaded = true;
    if (member.keeper.unfinished) this.#loadAgain(member);
  }

  #loadAgain(member: Member): void {
    if (this.#again.has(member)) return;
    this.#again.add(member);
    setTimeout(() => {
      this.#again.delete(member);
      if (!this.#stopping && !member.sandbox.ended) void this.#load(member);
    }, AGAIN_MS).unref();
  }

  async #fenceOne(member: Member, fence: Fence): Promise<FenceCounts> {
    member.fences += 1;
    try {
      return await member.keeper.fence(fence);
    } catch (error) {
      if (member.sandbox.ended) return NOTHING_STOPPED; // nothing runs there any more
      throw error;
    } finally {
      member.fences -= 1;
    }
  }

  /** Where none takes calls: the spare does at once, or else a new one. */
  async #succeed(): Promise<void> {
    if (this.#stopping || this.#current !== null) return;
    try {
      const member = this.#spare ?? (await this.#hire());
      if (this.#spare === member) this.#spare = null;
      this.#current = member;
      this.#publish();
      await this.#load(member); // also tells control what it waits for
      this.#publish();
      setTimeout(() => void this.#hireSpare(), SPARE_AFTER_MS);
    } catch (error) {
      this.#parts.keeper.log.error("sandbox.restart", { reason: String(error) });
      setTimeout(() => void this.#succeed(), 10 * RESTART_MS);
    }
  }

  async #hireSpare(): Promise<void> {
    if (this.#stopping || this.#hiringSpare || this.#spare !== null || this.#current === null)
      return;
    this.#hiringSpare = true;
    try {
      this.#spare = await this.#hire();
      await this.#load(this.#spare);
    } catch (error) {
      this.#parts.keeper.log.error("sandbox.spare", { reason: String(error) });
      setTimeout(() => void this.#hireSpare(), 10 * RESTART_MS);
    } finally {
      this.#hiringSpare = false;
    }
  }

  async #hire(): Promise<Member> {
    const { executable, runtime, keeper: parts, onLog, onMetrics, onCall } = this.#parts;
    const socket = `sandbox-${encodeHex(randomBytes(3))}.sock`;
    let member: Member | null = null;
    const sandbox = await SandboxProcess.start({
      executable,
      runnerClass: parts.runnerClass,
      socketPath: join(runtime, socket),
      onLog: (frame) => member !== null && onLog(frame, member.keeper),
      onMetrics: (frame) => member !== null && onMetrics(frame, member.keeper),
      onCall: async (asked, argument, signal) =>
        member === null
          ? failureBytes("denied", "no grant yet")
          : onCall(asked, argument, signal, member.keeper),
      onExit: (exit) => member !== null && this.#onExit(member, exit),
    });
    const keeper = new GrantKeeper(parts, sandbox, this.#fence);
    member = { socket, sandbox, keeper, unanswered: 0, loaded: false, fences: 0 };
    if (this.#stopping) await sandbox.stop();
    return member;
  }

  #onExit(member: Member, { status, signal, detail }: SandboxExit): void {
    const { log, metrics } = this.#parts.keeper;
    const left = this.#leaving.delete(member) && status === 0;
    log[left ? "info" : "warn"]("sandbox.ended", { status, signal, detail });
    if (!this.#stopping && !left) metrics.count("caisson_sandbox_ends_total", {});
    if (this.#spare === member) {
      this.#spare = null;
      setTimeout(() => void this.#hireSpare(), 10 * RESTART_MS);
    }
    if (this.#current !== member) return;
    this.#current = null;
    if (this.#spare !== null) void this.#succeed();
    else setTimeout(() => void this.#succeed(), RESTART_MS);
  }

  #look(): void {
    for (const member of this.#members()) {
      member.unanswered += 1;
      if (member.unanswered === 1)
        member.sandbox.ping().then(
          () => (member.unanswered = 0),
          () => {}, // gone: see onExit
        );
      if (member.unanswered > (member.fences > 0 ? FENCE_LOOKS : KILL_LOOKS)) this.#kill(member);
      else if (member.unanswered > LEAVE_LOOKS) this.#leave(member);
    }
  }

  /** Rung 3: whoever waits for this process waits on; new calls go to the spare. */
  #leave(member: Member): void {
    if (this.#stopping || this.#leaving.has(member)) return;
    this.#climbed(member, 3);
    this.#leaving.add(member);
    member.sandbox.drain().catch(() => {}); // said when it comes back, if it does
    if (this.#spare === member) this.#spare = null;
    if (this.#current === member) this.#current = null;
    void (this.#current === null ? this.#succeed() : this.#hireSpare());
  }

  /** Rung 4. The gateways find it in the places file when they lose its calls: that is written first. */
  #kill(member: Member): void {
    if (member.sandbox.ended || this.#killed.includes(member.socket)) return;
    this.#climbed(member, 4);
    this.#killed.push(member.socket);
    this.#publish();
    member.sandbox.kill();
  }

  #climbed({ sandbox: { pid } }: Member, rung: 3 | 4): void {
    const { log, metrics } = this.#parts.keeper;
    log.warn("sandbox.stuck", { pid, rung });
    metrics.count("caisson_sandbox_rungs_total", { rung: String(rung) });
  }

  /** A file in the place of the one before: nobody reads half of it. */
  #publish(): void {
    const file = join(this.#parts.runtime, SANDBOX_PLACES_FILE);
    if (this.#stopping && this.#published !== "" && !isText(file, this.#published)) return; // another runner's by now
    const current = this.#stopping || this.#current?.loaded !== true ? null : this.#current;
    this.#published = sandboxPlacesText({
      current:
        current === null
          ? null
          : { socket: current.socket, secret: encodeHex(current.sandbox.secret) },
      killed: this.#killed,
    });
    writeFileSync(`${file}.new`, this.#published, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
}

function isText(file: string, text: string): boolean {
  try {
    return readFileSync(file, "utf8") === text;
  } catch {
    return false;
  }
}
