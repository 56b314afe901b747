import type { Log } from "#platform";
import { startPostgres } from "./postgres-server.ts";
import type { ClusterPlace, EmbeddedPostgres } from "./postgres-server.ts";

const RESTART_MS = 200;

/** The embedded PostgreSQL, which comes back when it ends, until it is stopped. */
export class SupervisedPostgres {
  readonly #place: ClusterPlace;
  readonly #log: Log;
  #server: EmbeddedPostgres | null = null;
  #stopping = false;

  constructor(place: ClusterPlace, log: Log) {
    this.#place = place;
    this.#log = log;
  }

  async start(): Promise<void> {
    const server = await startPostgres(this.#place, this.#log);
    this.#server = server;
    const { child } = server;
    child.once("exit", (code, signal) => this.#onExit(code, signal));
    // It may have ended while the start was still at work with it: that was nobody's to see.
    if (child.exitCode !== null || child.signalCode !== null)
      this.#onExit(child.exitCode, child.signalCode);
  }

  #onExit(code: number | null, signal: string | null): void {
    if (this.#stopping) return;
    this.#log.warn("postgres.ended", { code, signal });
    setTimeout(() => void this.#restart(), RESTART_MS);
  }

  async #restart(): Promise<void> {
    if (this.#stopping) return;
    try {
      await this.start();
      this.#log.info("postgres.back");
    } catch (error) {
      this.#log.error("postgres.restart", { reason: String(error) });
      setTimeout(() => void this.#restart(), RESTART_MS * 10);
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#server?.stop();
  }
}
