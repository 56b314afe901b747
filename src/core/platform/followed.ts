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
        const result = await work();
        await this.#know();
        return result;
      } catch (error) {
        // What we refused ourselves was taken back whole.
        if (error instanceof CodedError) this.#known = true;
        else this.#knowSoon();
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
