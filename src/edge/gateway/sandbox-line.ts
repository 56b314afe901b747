import { readFileSync } from "node:fs";
import { SandboxClient } from "./sandbox-client.ts";

const LOOK_MS = 25;
const SECRET = /^[0-9a-f]{64}\n?$/;

export interface SandboxPlace {
  readonly socketPath: string;
  /** Written by the runner when its sandbox serves; a new sandbox has a new secret. */
  readonly secretPath: string;
}

/** The gateway's line to whichever sandbox the runner has now: each boot of a sandbox brings a secret of its own. */
export class SandboxLine implements Disposable {
  readonly #place: SandboxPlace;
  readonly #timer: NodeJS.Timeout;
  #secret = "";
  #client: SandboxClient | null = null;

  constructor(place: SandboxPlace) {
    this.#place = place;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#look();
  }

  /** Null while no sandbox answers. */
  get client(): SandboxClient | null {
    return this.#client?.ready === true ? this.#client : null;
  }

  #look(): void {
    if (this.#client?.ready === true) return;
    const secret = this.#read();
    if (secret === null || secret === this.#secret) return;
    this.#client?.[Symbol.dispose]();
    this.#secret = secret;
    this.#client = new SandboxClient({
      socketPath: this.#place.socketPath,
      secret: Buffer.from(secret, "hex"),
    });
  }

  #read(): string | null {
    try {
      const text = readFileSync(this.#place.secretPath, "latin1");
      return SECRET.test(text) ? text.trim() : null;
    } catch {
      // The runner has not written it yet.
      return null;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#client?.[Symbol.dispose]();
  }
}
