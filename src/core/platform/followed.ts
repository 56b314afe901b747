import { CodedError } from "#trust";
import { Turns } from "./turns.ts";

const AGAIN_MS = 500;
const KEY = "";

/**
 * State in memory that follows a database. A change that fails part way may stand there all the same: then the state is
 * read again before the next change, and soon where none comes. Changes come one at a time.
 */
export class Followed {
  readonly #read: () => Promise<void>;
  readonly #turns = new Turns();
  #known = true;

  constructor(read: () => Promise<void>) {
    this.#read = read;
  }

  /** Resolves when `work` is done and the state says so. */
  change<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.take(KEY, async () => {
      await this.#know();
      this.#known = false;
      try {
        const result = await work().catch((error: unknown) => {
          // What the work itself refused was taken back whole; what reading says tells nothing of that.
          this.#known = error instanceof CodedError;
          throw error;
        });
        await this.#know();
        return result;
      } catch (error) {
        if (!this.#known) this.#knowSoon();
        throw error;
      }
    });
  }

  async #know(): Promise<void> {
    if (this.#known) return;
    await this.#read();
    this.#known = true;
  }

  #knowSoon(): void {
    setTimeout(() => {
      this.#turns.take(KEY, () => this.#know()).catch(() => this.#knowSoon());
    }, AGAIN_MS).unref();
  }
}
