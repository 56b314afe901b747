import { randomBytes } from "node:crypto";
import { Agent, request } from "node:https";
import type { ClientRequest } from "node:http";
import { createSigner, newPrivateKey, ObjectReader, parseStrictJson } from "#trust";
import type { PublicKey, Signer } from "#trust";
import {
  bodyClaim,
  EXECUTE_PATH,
  EXECUTE_TYPE,
  FrameWriter,
  limits,
  openEdgeCredential,
  PROOF_HEADER,
  sealProof,
  writeOpen,
} from "#contract";
import type { EdgeCredential, Fence, OpenFrame } from "#contract";
import type { CallPlace, CallSink, OpenCall, SandboxPort } from "#gateway";
import { readBounded } from "#platform";
import type { Clock, Log } from "#platform";
import { RemoteCall } from "./remote-call.ts";

export interface RemoteRunnerParts {
  /** Origin, https. */
  readonly url: string;
  /** PEM of the authorities that its certificate comes from; null: the well-known ones. */
  readonly ca: string | null;
  readonly stateKey: PublicKey;
  /** Asks control to name the key (base64url of its 32 bytes) to the runner at that address; the credential's text. */
  readonly credential: (runner: string, key: string) => Promise<string>;
  /** What is stopped, the runner itself perhaps. */
  readonly fence: () => Fence | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** The credential as text, and what it says. */
interface Credential {
  readonly text: string;
  readonly says: EdgeCredential;
}

/** Of a runner's present start. */
interface Presence {
  readonly runner: string;
  readonly boot: string;
}

const LOOK_MS = 1_000;
const RETRY_MS = 200;
/** A runner that is busy is no runner that is lost. */
const ANSWER_MS = 10_000;
const MAX_PRESENCE_BYTES = 4_096;
const ID_BYTES = 16;
/** A connection that is idle for longer is closed: before the runner closes it. */
const IDLE_MS = 30_000;
const SOCKETS = limits.sandboxConcurrency.max;

/**
 * A gateway's line to a runner elsewhere: it looks at the runner over and over, keeps a credential that names this process's
 * own key, and proves each call with that key. Nothing is tried twice: a call that may have run is not run again.
 */
export class RemoteRunner implements SandboxPort, AsyncDisposable {
  readonly #parts: RemoteRunnerParts;
  readonly #agent: Agent;
  /** Made for this process, and never on disk. */
  readonly #key: Signer = createSigner(newPrivateKey("ed25519"));
  readonly #scratch = new FrameWriter();
  readonly #stop = new AbortController();
  /** Request bodies on their way. */
  readonly #held = { bytes: 0 };
  #presence: Presence | null = null;
  #credential: Credential | null = null;
  #told = "";
  #wake: () => void = () => {};
  #looking: Promise<void>;

  constructor(parts: RemoteRunnerParts) {
    this.#parts = parts;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: SOCKETS,
      timeout: IDLE_MS,
      minVersion: "TLSv1.3",
      ...(parts.ca === null ? {} : { ca: parts.ca }),
    });
    this.#looking = this.#lookOverAndOver();
  }

  /** The runner answers, and would take a call of this gateway. */
  get ready(): boolean {
    return this.#presence !== null && this.#holding() !== null;
  }

  /** Null while no runner answers. */
  get client(): SandboxPort | null {
    return this.ready ? this : null;
  }

  /** Throws FrameError "frame.bound" for a request over the frame's bounds, as a sandbox's own line does. */
  call(frame: OpenFrame, noBody: boolean, sink: CallSink, place: CallPlace): OpenCall {
    writeOpen(this.#scratch, 1, frame, noBody);
    this.#scratch.take();
    return new RemoteCall({
      frame,
      noBody,
      sink,
      place,
      send: (path, body) => this.#sendProved(path, body),
      held: this.#held,
      onLost: () => this.#doubt(),
    });
  }

  /** Null without a credential that is good, or a runner that would take it. */
  #sendProved(path: string, body: Buffer): ClientRequest | null {
    const [presence, credential] = [this.#presence, this.#holding()];
    if (presence === null || credential === null) return null;
    const issuedAt = this.#seconds();
    const proof = sealProof(
      {
        issuer: credential.says.subject,
        subject: credential.says.subject,
        audience: presence.runner,
        issuedAt,
        expiresAt: issuedAt + limits.executeTokenMs.value / 1_000,
        id: randomBytes(ID_BYTES).toString("base64url"),
        boot: presence.boot,
        body: bodyClaim(body),
      },
      this.#key,
    );
    return request(new URL(path, this.#parts.url), {
      agent: this.#agent,
      method: "POST",
      headers: {
        authorization: `Bearer ${credential.text}`,
        [PROOF_HEADER]: proof,
        "content-type": EXECUTE_TYPE,
        "content-length": body.length,
      },
    });
  }

  /** Something went wrong: nothing is sent until the runner has answered again. */
  #doubt(): void {
    this.#presence = null;
    this.#wake();
  }

  async #lookOverAndOver(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const presence = await this.#look();
        await this.#renew(presence);
        this.#presence = presence;
        this.#tell("runner.back", "");
      } catch (error) {
        this.#presence = null;
        if (!signal.aborted) this.#tell("runner.lost", String(error));
      }
      await this.#pause(this.ready ? LOOK_MS : RETRY_MS);
    }
  }

  /** Once for each change. */
  #tell(event: "runner.back" | "runner.lost", reason: string): void {
    const said = event === "runner.back" ? event : reason;
    if (said === this.#told) return;
    this.#told = said;
    const { log, url } = this.#parts;
    if (event === "runner.back") log.info(event, { url });
    else log.warn(event, { url, reason });
  }

  async #look(): Promise<Presence> {
    const sent = request(new URL(EXECUTE_PATH, this.#parts.url), {
      agent: this.#agent,
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    const body = await new Promise<Buffer | null>((resolve, reject) => {
      sent.on("error", reject);
      sent.once("response", (response) => {
        if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
        readBounded(response, MAX_PRESENCE_BYTES).then(resolve, reject);
      });
      sent.end();
    });
    const reader = ObjectReader.of(
      parseStrictJson(body ?? Buffer.alloc(0), { maxBytes: MAX_PRESENCE_BYTES }),
      "presence",
    );
    const presence = {
      runner: reader.string("runner", { max: 36 }),
      boot: reader.string("boot", { max: 22 }),
    };
    reader.end();
    return presence;
  }

  /** Asked for again when half of its time is over; without control the old one serves until it ends. */
  async #renew({ runner }: Presence): Promise<void> {
    const held = this.#holding();
    const fits = held?.says.audience === runner;
    if (held !== null && fits && !this.#isOld(held.says)) return;
    const { credential, url, stateKey } = this.#parts;
    try {
      const text = await credential(
        url,
        Buffer.from(this.#key.publicKey.ed25519()).toString("base64url"),
      );
      const says = openEdgeCredential(text, stateKey); // stops: whoever answers for control
      this.#credential = { text, says };
      if (says.audience !== runner)
        throw new Error("another runner answers there than the one that was enrolled with it");
    } catch (error) {
      if (!fits) throw error;
    }
  }

  #holding(): Credential | null {
    const held = this.#credential;
    if (held === null || held.says.expiresAt <= this.#seconds()) return null;
    // stops: calls to a runner that was removed
    return this.#parts.fence()?.find("edge", held.says.audience) === null ? held : null;
  }

  #isOld({ issuedAt, expiresAt }: EdgeCredential): boolean {
    return this.#seconds() > (issuedAt + expiresAt) / 2;
  }

  #seconds(): number {
    return Math.floor(this.#parts.clock.now().getTime() / 1_000);
  }

  #pause(ms: number): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#looking;
    this.#agent.destroy();
  }
}
