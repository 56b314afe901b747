import type { ManifestDigest } from "#trust";
import type { ExtensionName, TrialAnswer, TrialQuestion } from "#contract";
import { newId } from "#platform";

/** A runner that starts again is back within this. */
const RUNNER_MS = 10_000;
/** Fetching, building (at most two minutes) and two short calls. */
const ANSWER_MS = 150_000;
const MAX_OPEN = 64;

/** A connected runner. */
interface Runner {
  readonly edge: string;
  readonly send: (question: TrialQuestion) => void;
}

interface OpenTrial {
  readonly runner: Runner;
  readonly settle: (answer: TrialAnswer | "lost") => void;
}

/** Has runners try two instances of an artifact that is not admitted yet: control itself runs nothing. */
export class TrialDesk {
  readonly #runners = new Set<Runner>();
  readonly #open = new Map<string, OpenTrial>();
  readonly #waiting = new Set<() => void>();

  /** A runner's line; what it was asked is asked another one when the line ends. */
  attach(edge: string, send: Runner["send"]): Disposable {
    const runner = { edge, send };
    this.#runners.add(runner);
    for (const wake of this.#waiting) wake();
    return {
      [Symbol.dispose]: () => {
        this.#runners.delete(runner);
        for (const trial of this.#open.values()) if (trial.runner === runner) trial.settle("lost");
      },
    };
  }

  /** Null where no runner answered in time. */
  async run(name: ExtensionName, contentHash: ManifestDigest): Promise<TrialAnswer | null> {
    if (this.#open.size >= MAX_OPEN) return null;
    for (const end = Date.now() + ANSWER_MS; ;) {
      const runner = await this.#idlest(Math.min(RUNNER_MS, end - Date.now()));
      if (runner === null) return null;
      const answer = await this.#ask(runner, { name, contentHash }, end - Date.now());
      if (answer !== "lost") return answer;
    }
  }

  /** False for an answer that this edge was not asked for. */
  take(edge: string, { id, ...answer }: { readonly id: string } & TrialAnswer): boolean {
    const trial = this.#open.get(id);
    if (trial === undefined || trial.runner.edge !== edge) return false;
    trial.settle(answer);
    return true;
  }

  #ask(
    runner: Runner,
    subject: Omit<TrialQuestion, "id">,
    withinMs: number,
  ): Promise<TrialAnswer | "lost" | null> {
    const id = newId("request");
    return new Promise((resolve) => {
      const done = (answer: TrialAnswer | "lost" | null) => {
        clearTimeout(late);
        this.#open.delete(id);
        resolve(answer);
      };
      const late = setTimeout(() => done(null), withinMs);
      this.#open.set(id, { runner, settle: done });
      runner.send({ id, ...subject });
    });
  }

  async #idlest(withinMs: number): Promise<Runner | null> {
    if (this.#runners.size === 0) await this.#connected(withinMs);
    const load = (runner: Runner) =>
      [...this.#open.values()].filter((trial) => trial.runner === runner).length;
    return [...this.#runners].toSorted((a, b) => load(a) - load(b))[0] ?? null;
  }

  #connected(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(late);
        this.#waiting.delete(done);
        resolve();
      };
      const late = setTimeout(done, withinMs);
      this.#waiting.add(done);
    });
  }
}
