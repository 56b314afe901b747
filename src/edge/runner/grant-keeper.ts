import { CodedError, digestOf } from "#trust";
import type { OpenedDocument, TrustRoot } from "#trust";
import {
  capabilityBits,
  classOf,
  grantHandle,
  handleHex,
  limits,
  parseExtensionId,
  tenantKey,
} from "#contract";
import type { Fence, FenceEntry, Grant, GrantReader, Snapshot } from "#contract";
import { denialCodes, judgeFence } from "#policy";
import type { Clock, Log } from "#platform";
import type { ArtifactBytes, ArtifactCache } from "./artifact-cache.ts";
import { codeOf } from "./component-code.ts";
import type { CodeParts } from "./component-code.ts";
import { openLoadDoor } from "./load-door.ts";
import type { LoadAnswer } from "./load-door.ts";
import type { PointOwner } from "./guest-metrics.ts";
import type { FenceCounts } from "#link";
import type { SandboxLoad, SandboxProcess } from "./sandbox-process.ts";

class RunnerError extends CodedError<"load.refused" | "build.failed" | "artifact.unreached"> {
  override readonly name = "RunnerError";
}

export interface KeeperParts extends CodeParts {
  readonly grants: GrantReader;
  readonly artifacts: ArtifactCache;
  readonly toolchainImports: ReadonlySet<string>;
  /** Tells control that a grant runs here, or why not. */
  readonly report: (handle: string, failure: string | null) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a runner judges grants with; a fence is put in force before it comes here (see `fence`). */
export interface LoadState {
  readonly snapshot: Snapshot;
  readonly trustRoot: TrustRoot;
}

/** A grant of the snapshot, its signature and time good. */
interface Given {
  readonly opened: OpenedDocument<Grant>;
  readonly document: Uint8Array;
  readonly handle: Uint8Array;
  /** Another sandbox of this runner was brought to it first, and what was found then was told. */
  readonly told: boolean;
}

/** What the load door found, and allowed. */
type Judged = Pick<LoadAnswer, "values" | "instruments"> & {
  readonly component: Uint8Array;
  readonly signer: string;
};

/** What the load door said no to, under the trust root and the fence of then. */
interface Refused {
  readonly under: string;
  readonly failure: string;
}

interface Held extends Pick<LoadAnswer, "values" | "instruments"> {
  /** As control signed it: the broker opens it again. */
  readonly document: Uint8Array;
  readonly grant: Grant;
  /** SPKI digest of the key that signed what is loaded. */
  readonly signer: string;
  readonly handle: Uint8Array;
  readonly load: SandboxLoad;
}

/** Brings one sandbox to what the newest snapshot grants: verify, build, load, grant; and takes away what it no longer names. */
export class GrantKeeper {
  readonly #parts: KeeperParts;
  readonly #sandbox: SandboxProcess;
  readonly #held = new Map<string, Held>();
  readonly #loads = new Map<string, SandboxLoad>();
  readonly #refused = new Map<string, Refused>();
  /** Grants on their way into the sandbox: a fence waits for them, then closes them too. */
  readonly #granting = new Set<Promise<void>>();
  #fence: Fence;
  #sawOther = false;
  #unfinished = false;
  #work: Promise<void> = Promise.resolve();

  constructor(parts: KeeperParts, sandbox: SandboxProcess, fence: Fence) {
    this.#parts = parts;
    this.#sandbox = sandbox;
    this.#fence = fence;
  }

  /**
   * One at a time, in order; a later snapshot is worked on after an earlier one. like: take only what that one holds,
   * through a load door of its own all the same, and tell nobody; null: take everything and tell.
   */
  apply(state: LoadState, like: GrantKeeper | null): Promise<void> {
    this.#work = this.#work
      .then(() => this.#apply(state, like))
      .catch((error: unknown) => {
        this.#unfinished = true;
        this.#parts.log.error("grants.failed", { reason: String(error) });
      });
    return this.#work;
  }

  /** Whether something of the newest snapshot could not be asked or told: control was away. To be applied again. */
  get unfinished(): boolean {
    return this.#unfinished;
  }

  /**
   * Puts a fence in force ahead of whatever is being built: no call starts under what it hits, those inside are ended, and
   * code that nothing else runs leaves memory. What it no longer hits is loaded again by the next `apply`.
   */
  async fence(fence: Fence): Promise<FenceCounts> {
    this.#fence = fence;
    await Promise.allSettled(this.#granting);
    const hit = [...this.#held].filter(([, held]) => this.#hit(held.grant, held.signer) !== null);
    const halted = await Promise.all(
      hit.map(async ([text, held]) => {
        const counts = await this.#sandbox.halt(held.handle, fence.epoch);
        await this.#forget(text, held);
        return counts;
      }),
    );
    const sum = (count: (halt: (typeof halted)[number]) => number) =>
      halted.reduce((total, halt) => total + count(halt), 0);
    return {
      refused: hit.length,
      unqueued: sum((halt) => halt.unqueued),
      killed: sum((halt) => halt.killed),
    };
  }

  /** Whether a snapshot granted what runs in a sandbox of another class. */
  get sawOther(): boolean {
    return this.#sawOther;
  }

  /** Grants that the sandbox holds. */
  get count(): number {
    return this.#held.size;
  }

  #hit(grant: Grant, signer: string | null): FenceEntry | null {
    return this.#fence.hit({ ...grant, signer });
  }

  /** Whose call an execution's log lines belong to is told by its handle. */
  grantOf(handleText: string): Grant | undefined {
    return this.#held.get(handleText)?.grant;
  }

  /** Whose points come under this handle, and which of them are declared. */
  pointOwnerOf(handleText: string): PointOwner | undefined {
    const held = this.#held.get(handleText);
    if (held === undefined) return undefined;
    const { extension, install } = held.grant;
    return { extension, install, instruments: held.instruments };
  }

  /** Installs that this runner serves. */
  installs(): ReadonlySet<string> {
    return new Set([...this.#held.values()].map(({ grant }) => grant.install));
  }

  /** What the broker judges a call under this handle by. */
  documentOf(handleText: string): Uint8Array | undefined {
    return this.#held.get(handleText)?.document;
  }

  async #apply({ snapshot, trustRoot }: LoadState, like: GrantKeeper | null): Promise<void> {
    this.#unfinished = false;
    const wanted = new Set<string>();
    for (const { document, building } of snapshot.grants) {
      const opened = this.#open(document);
      if (opened === null) continue;
      if (classOf(opened.body.limits) !== this.#parts.runnerClass) {
        this.#sawOther = true;
        continue;
      }
      const handle = grantHandle(opened);
      if (like !== null && !like.#held.has(handleHex(handle))) continue;
      wanted.add(handleHex(handle));
      await this.#provide({ opened, document, handle, told: like !== null }, trustRoot, building);
    }
    for (const [text, held] of this.#held) if (!wanted.has(text)) await this.#withdraw(text, held);
  }

  /** Null for a grant that control did not sign or whose time is over: it runs nowhere, the others do. */
  #open(document: Uint8Array): OpenedDocument<Grant> | null {
    try {
      return this.#parts.grants.open(document, this.#parts.clock.now());
    } catch (error) {
      this.#parts.log.error("grant.refused", { reason: String(error) });
      return null;
    }
  }

  async #provide(given: Given, trustRoot: TrustRoot, building: boolean): Promise<void> {
    const grant = given.opened.body;
    const text = handleHex(given.handle);
    const under = `${trustRoot.version} ${this.#fence.epoch}`;
    if (!this.#held.has(text) && this.#refused.get(text)?.under !== under) {
      const failure = await this.#tryLoad(given, trustRoot).catch((error: unknown) => {
        this.#notYet("artifact.unreached", error);
        return null;
      });
      if (failure !== null && !given.told) {
        this.#refused.set(text, { under, failure });
        this.#parts.log.error("load.refused", {
          handle: text,
          extension: grant.extension,
          reason: failure,
        });
      }
    }
    if (building && !given.told) await this.#tell(text, grant, under);
  }

  /** Again with each snapshot for which control waits. */
  async #tell(text: string, grant: Grant, under: string): Promise<void> {
    const refused = this.#refused.get(text);
    const failure = this.#held.has(text) ? null : refused?.failure;
    // What was not judged, under this trust root and this fence, says nothing.
    if (failure === undefined || (failure !== null && refused?.under !== under)) return;
    // What is only halted is built when the halt is over.
    if (failure !== null && this.#hit(grant, null)?.reversible === true) return;
    await this.#parts
      .report(text, failure)
      .catch((error: unknown) => this.#notYet("build.untold", error));
  }

  #notYet(event: string, error: unknown): void {
    // One line for all grants of a snapshot.
    if (!this.#unfinished) this.#parts.log.warn(event, { reason: String(error) });
    this.#unfinished = true;
  }

  /** Resolves with why it does not run here. Throws RunnerError "artifact.unreached": nothing was judged. */
  async #tryLoad(given: Given, trustRoot: TrustRoot): Promise<string | null> {
    const { opened, document, handle } = given;
    const grant = opened.body;
    try {
      const { component, ...judged } = await this.#judge(given, trustRoot);
      const load = await this.#loadCode(component);
      const granted = this.#admit({ grant, document, ...judged, handle, load }, opened.expiresAt);
      this.#granting.add(granted);
      await granted.finally(() => this.#granting.delete(granted));
      return null;
    } catch (error) {
      if (error instanceof RunnerError && error.code === "artifact.unreached") throw error;
      return error instanceof CodedError
        ? `${String(error.code)}: ${error.message}`
        : String(error);
    }
  }

  /** The last look at the fence before calls may come: judging and building took their time. */
  async #admit(held: Held, expiresAt: Date): Promise<void> {
    const { grant, handle, load, signer, values } = held;
    const entry = this.#hit(grant, signer);
    if (entry !== null)
      throw new RunnerError(
        "load.refused",
        `the load door refused it: ${denialCodes([judgeFence({ fence: entry })]).join(", ")}`,
      );
    await this.#sandbox.grant({
      handle,
      tenant: tenantKey(grant.tenant),
      load: load.id,
      capabilities: grant.capabilities.reduce((bits, name) => bits | capabilityBits[name], 0),
      requestBytes: limits.bodyBytes.value,
      capabilityCalls: limits.capabilityCalls.value,
      egressRequests: limits.egressRequests.value,
      egressInBytes: limits.egressInBytes.value,
      egressOutBytes: limits.egressOutBytes.value,
      expiresMs: expiresAt.getTime(),
      config: values,
      ...grant.limits,
    });
    this.#held.set(handleHex(handle), held);
  }

  async #judge({ opened, told }: Given, trustRoot: TrustRoot): Promise<Judged> {
    const grant = opened.body;
    const name = parseExtensionId(grant.extension) ?? { publisher: "", name: "" };
    const ask = (bytes: ArtifactBytes) =>
      openLoadDoor({
        grant,
        bytes,
        trustRoot,
        fence: this.#fence,
        toolchainImports: this.#parts.toolchainImports,
        now: this.#parts.clock.now(),
      });
    const bytes = await this.#parts.artifacts.read(name, grant.contentHash).catch(unlessJudged);
    const { verdict, component, signer, ...given } = ask(bytes);
    if (!told)
      this.#parts.metrics.count("caisson_door_verdicts_total", {
        door: "load",
        outcome: verdict.outcome,
      });
    if (component !== null && signer !== null) return { component, signer, ...given };
    throw new RunnerError(
      "load.refused",
      `the load door refused it: ${denialCodes(verdict.reasons).join(", ")}`,
    );
  }

  async #loadCode(component: Uint8Array): Promise<SandboxLoad> {
    const digest = digestOf("file", component);
    const present = this.#loads.get(digest);
    if (present !== undefined) return present;
    const load = await this.#sandbox.load(await codeOf(this.#parts, component));
    this.#loads.set(digest, load);
    return load;
  }

  async #withdraw(text: string, held: Held): Promise<void> {
    await this.#sandbox.ungrant(held.handle);
    await this.#forget(text, held);
  }

  async #forget(text: string, held: Held): Promise<void> {
    this.#held.delete(text);
    if ([...this.#held.values()].some((other) => other.load.id === held.load.id)) return;
    await this.#sandbox.unload(held.load);
    for (const [digest, load] of this.#loads)
      if (load.id === held.load.id) this.#loads.delete(digest);
  }
}

/** Bytes that cannot be read say something of the artifact; a control, a database or a disk that is away does not. */
function unlessJudged(error: unknown): never {
  if (error instanceof CodedError && error.code !== "link.unavailable") throw error;
  throw new RunnerError("artifact.unreached", `cannot fetch the artifact: ${String(error)}`, {
    cause: error,
  });
}
