import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseSandboxPlaces, SANDBOX_PLACES_FILE } from "#contract";
import type { SandboxPlace, SandboxPlaces } from "#contract";
import { SandboxClient } from "./sandbox-client.ts";

const LOOK_MS = 25;
const KILLED_RUNG = 4;
const NOWHERE: SandboxPlaces = { current: null, killed: [] };

/**
 * The gateway's line to whichever sandbox the runner names (`SANDBOX_PLACES_FILE`). Where it names another one, new calls
 * go there as soon as that one answers, and those inside the one before come to their end on their own line.
 */
export class SandboxLine implements Disposable {
  readonly #runtime: string;
  readonly #timer: NodeJS.Timeout;
  #seen = "";
  /** The runner names the current one still. */
  #named = true;
  #current: { readonly place: SandboxPlace; readonly client: SandboxClient } | null = null;
  /** Takes calls until the current one answers. */
  #before: SandboxClient | null = null;
  /** Their calls come to an end. */
  #retired: readonly SandboxClient[] = [];

  constructor(runtime: string) {
    this.#runtime = runtime;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#look();
  }

  /** Null while no sandbox takes calls. */
  get client(): SandboxClient | null {
    if (this.#current?.client.taking === true) return this.#current.client;
    return this.#before?.taking === true ? this.#before : null;
  }

  #look(): void {
    const seen = this.#version();
    if (seen !== this.#seen) this.#follow(this.#read().current);
    this.#seen = seen;
    for (const client of this.#left()) client.endOverdue();
    if (this.#retired.length > 0) this.#retired = this.#retired.filter(({ open }) => open > 0);
  }

  /** Lines to sandboxes that the runner names no more. */
  #left(): SandboxClient[] {
    const unnamed = this.#named ? null : (this.#current?.client ?? null);
    return [unnamed, this.#before, ...this.#retired].filter((client) => client !== null);
  }

  #follow(place: SandboxPlace | null): void {
    this.#named = place !== null;
    if (place === null || isSame(place, this.#current?.place)) return;
    this.#retireBefore();
    this.#before = this.#current?.client ?? null;
    const client = new SandboxClient({
      socketPath: join(this.#runtime, place.socket),
      secret: Buffer.from(place.secret, "hex"),
      onState: (state) => state === "ready" && this.#retireBefore(),
      rungOfLoss: () => (this.#read().killed.includes(place.socket) ? KILLED_RUNG : 0),
    });
    this.#current = { place, client };
  }

  #retireBefore(): void {
    if (this.#before === null) return;
    this.#retired = [...this.#retired, this.#before];
    this.#before.retire();
    this.#before = null;
  }

  /** Changes with the file: the runner puts a new one in its place. */
  #version(): string {
    const stat = statSync(this.#file, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? "" : `${stat.ino} ${stat.mtimeNs}`;
  }

  #read(): SandboxPlaces {
    try {
      return parseSandboxPlaces(readFileSync(this.#file, "latin1")) ?? NOWHERE;
    } catch {
      // The runner has not written it yet.
      return NOWHERE;
    }
  }

  get #file(): string {
    return join(this.#runtime, SANDBOX_PLACES_FILE);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    const { client } = this.#current ?? {};
    for (const each of [client, this.#before, ...this.#retired]) each?.[Symbol.dispose]();
  }
}

function isSame(one: SandboxPlace, other: SandboxPlace | undefined): boolean {
  return one.socket === other?.socket && one.secret === other.secret;
}
