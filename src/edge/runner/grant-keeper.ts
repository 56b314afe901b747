import { CodedError, digestOf } from "#trust";
import type { OpenedDocument, TrustRoot } from "#trust";
import {
  capabilityBits,
  grantHandle,
  handleHex,
  limits,
  openGrant,
  parseExtensionId,
} from "#contract";
import type { Grant, Snapshot } from "#contract";
import { denialCodes } from "#policy";
import type { Clock, Log } from "#platform";
import type { PublicKey } from "#trust";
import type { ArtifactBytes, ArtifactCache } from "./artifact-cache.ts";
import type { BuildStore } from "./build-store.ts";
import { openLoadDoor } from "./load-door.ts";
import type { SandboxLoad, SandboxProcess } from "./sandbox-process.ts";

class RunnerError extends CodedError<"load.refused" | "build.failed"> {
  override readonly name = "RunnerError";
}

export interface KeeperParts {
  readonly stateKey: PublicKey;
  readonly artifacts: ArtifactCache;
  readonly builds: BuildStore;
  readonly compile: (component: Uint8Array) => Promise<Uint8Array>;
  readonly fingerprint: string;
  readonly toolchainImports: ReadonlySet<string>;
  /** Tells control that a grant runs here, or why not. */
  readonly report: (handle: string, failure: string | null) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

interface Held {
  readonly grant: Grant;
  readonly handle: Uint8Array;
  readonly load: SandboxLoad;
}

/** Brings one sandbox to what the newest snapshot grants: verify, build, load, grant; and takes away what it no longer names. */
export class GrantKeeper {
  readonly #parts: KeeperParts;
  readonly #sandbox: SandboxProcess;
  readonly #held = new Map<string, Held>();
  readonly #loads = new Map<string, SandboxLoad>();
  readonly #refused = new Map<string, string>();
  #work: Promise<void> = Promise.resolve();

  constructor(parts: KeeperParts, sandbox: SandboxProcess) {
    this.#parts = parts;
    this.#sandbox = sandbox;
  }

  /** One at a time, in order; a later snapshot is worked on after an earlier one. */
  apply(snapshot: Snapshot, trustRoot: TrustRoot): Promise<void> {
    this.#work = this.#work
      .then(() => this.#apply(snapshot, trustRoot))
      .catch((error: unknown) => this.#parts.log.error("grants.failed", { reason: String(error) }));
    return this.#work;
  }

  /** Whose call an execution's log lines belong to is told by its handle. */
  grantOf(handleText: string): Grant | undefined {
    return this.#held.get(handleText)?.grant;
  }

  async #apply(snapshot: Snapshot, trustRoot: TrustRoot): Promise<void> {
    const wanted = new Set<string>();
    for (const { document, building } of snapshot.grants) {
      const opened = this.#open(document);
      if (opened === null) continue;
      const handle = grantHandle(opened);
      wanted.add(handleHex(handle));
      await this.#provide(opened.body, handle, opened.expiresAt, trustRoot, building);
    }
    for (const [text, held] of this.#held) if (!wanted.has(text)) await this.#withdraw(text, held);
  }

  /** Null for a grant that control did not sign or whose time is over: it runs nowhere, the others do. */
  #open(document: Uint8Array): OpenedDocument<Grant> | null {
    try {
      return openGrant(document, this.#parts.stateKey, this.#parts.clock.now());
    } catch (error) {
      this.#parts.log.error("grant.refused", { reason: String(error) });
      return null;
    }
  }

  async #provide(
    grant: Grant,
    handle: Uint8Array,
    expiresAt: Date,
    trustRoot: TrustRoot,
    building: boolean,
  ): Promise<void> {
    const text = handleHex(handle);
    const refusedUnder = `${trustRoot.version}`;
    if (!this.#held.has(text) && this.#refused.get(text) !== refusedUnder) {
      const failure = await this.#tryLoad(grant, handle, expiresAt, trustRoot);
      if (failure !== null) {
        this.#refused.set(text, refusedUnder);
        this.#parts.log.error("load.refused", {
          handle: text,
          extension: grant.extension,
          reason: failure,
        });
        if (building) await this.#parts.report(text, failure);
        return;
      }
    }
    if (building && this.#held.has(text)) await this.#parts.report(text, null);
  }

  async #tryLoad(
    grant: Grant,
    handle: Uint8Array,
    expiresAt: Date,
    trustRoot: TrustRoot,
  ): Promise<string | null> {
    try {
      const component = await this.#judge(grant, trustRoot);
      const load = await this.#loadCode(component);
      await this.#sandbox.grant({
        handle,
        load: load.id,
        capabilities: grant.capabilities.reduce((bits, name) => bits | capabilityBits[name], 0),
        requestBytes: limits.bodyBytes.value,
        expiresMs: expiresAt.getTime(),
        ...grant.limits,
      });
      this.#held.set(handleHex(handle), { grant, handle, load });
      return null;
    } catch (error) {
      return error instanceof CodedError
        ? `${String(error.code)}: ${error.message}`
        : String(error);
    }
  }

  async #judge(grant: Grant, trustRoot: TrustRoot): Promise<Uint8Array> {
    const name = parseExtensionId(grant.extension) ?? { publisher: "", name: "" };
    const ask = (bytes: ArtifactBytes) =>
      openLoadDoor({
        grant,
        bytes,
        trustRoot,
        toolchainImports: this.#parts.toolchainImports,
        now: this.#parts.clock.now(),
      });
    const { verdict, component } = ask(await this.#parts.artifacts.read(name, grant.contentHash));
    if (component !== null) return component;
    throw new RunnerError(
      "load.refused",
      `the load door refused it: ${denialCodes(verdict.reasons).join(", ")}`,
    );
  }

  async #loadCode(component: Uint8Array): Promise<SandboxLoad> {
    const digest = digestOf("file", component);
    const present = this.#loads.get(digest);
    if (present !== undefined) return present;
    const { builds, fingerprint, compile } = this.#parts;
    const build =
      (await builds.read(digest, fingerprint)) ??
      (await builds.write(digest, fingerprint, await compile(component)));
    const load = await this.#sandbox.load(build.code);
    this.#loads.set(digest, load);
    return load;
  }

  async #withdraw(text: string, held: Held): Promise<void> {
    await this.#sandbox.ungrant(held.handle);
    this.#held.delete(text);
    if ([...this.#held.values()].some((other) => other.load.id === held.load.id)) return;
    await this.#sandbox.unload(held.load);
    for (const [digest, load] of this.#loads)
      if (load.id === held.load.id) this.#loads.delete(digest);
  }
}
