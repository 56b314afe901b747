import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Caisson } from "../e2e/caisson.ts";
import { childrenOf } from "../e2e/children.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";

const HOOK = fileURLToPath(new URL("kill-hook.mjs", import.meta.url));
/** More durable operations than this has nothing that is tested. */
const MAX_POINTS = 400;

export type Victim = "control" | "gateway" | "runner" | "broker";

/** A Caisson whose processes can be made to die at their n-th durable operation. */
export class Killer implements AsyncDisposable {
  readonly caisson: Caisson;
  readonly #folder: string;
  #armings = 0;

  private constructor(caisson: Caisson, folder: string) {
    this.caisson = caisson;
    this.#folder = folder;
  }

  static async start(): Promise<Killer> {
    const folder = mkdtempSync(join(tmpdir(), "cai-kill-"));
    const caisson = await startCaisson({
      CAISSON_TEST_KILL_DIR: folder,
      NODE_OPTIONS: `--import=${pathToFileURL(HOOK).href}`,
      CAISSON_LOG_CALLS: "none",
    });
    return new Killer(caisson, folder);
  }

  /**
   * Does `work` again and again, each time with the victim dying one durable operation later, until it lives through it.
   * work: gets the number of the round; settle: what must hold when the victim is back, and what the next round needs;
   * prepare: what the first one needs.
   * Returns the operations in order, as `before|after what file:line`.
   */
  async everyPoint(
    victim: Victim,
    work: (round: number) => Promise<void>,
    settle: (round: number) => Promise<void>,
    prepare: () => Promise<void> = () => Promise.resolve(),
  ): Promise<string[]> {
    await prepare();
    for (let at = 1; at <= MAX_POINTS; at++) {
      const before = this.#pidOf(victim);
      const id = this.#arm(victim, at);
      await work(at);
      const died = await this.#diedOrDone(victim, id);
      this.#disarm(victim);
      if (died)
        await until(`another ${victim}`, () =>
          Promise.resolve(this.#pidOf(victim, before) === 0 ? null : true),
        );
      await settle(at);
      // Who ends sooner after its start comes back later: the supervisor takes it for broken.
      await new Promise((resolve) => setTimeout(resolve, STEADY_MS));
      if (!died) return this.#points(victim, id);
    }
    throw new Error(`${victim} has more than ${MAX_POINTS} durable operations here`);
  }

  /** Work may go on behind its answer: it is over when no further operation comes for a while. */
  async #diedOrDone(victim: Victim, id: string): Promise<boolean> {
    for (let [quiet, seen] = [0, -1]; quiet < QUIET_LOOKS;) {
      if (existsSync(join(this.#folder, `${victim}.${id}.died`))) return true;
      const count = this.#points(victim, id).length;
      quiet = count === seen ? quiet + 1 : 0;
      seen = count;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return false;
  }

  #arm(victim: Victim, at: number): string {
    const id = `a${(this.#armings += 1)}`;
    writeFileSync(join(this.#folder, `${victim}.arm`), `${id} ${at}`);
    return id;
  }

  #disarm(victim: Victim): void {
    rmSync(join(this.#folder, `${victim}.arm`), { force: true });
  }

  #points(victim: Victim, id: string): string[] {
    try {
      return readFileSync(join(this.#folder, `${victim}.points`), "utf8")
        .split("\n")
        .filter((line) => line.startsWith(`${id} `))
        .map((line) => line.split(" ").slice(2).join(" "));
    } catch {
      return [];
    }
  }

  /** 0: none runs but `not`. */
  #pidOf(victim: Victim, not = 0): number {
    const pids = childrenOf(this.caisson.supervisorPid, join("src/apps", `${victim}.ts`));
    return pids.find((pid) => pid !== not) ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.caisson[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const STEADY_MS = 600;
const LOOK_MS = 50;
const QUIET_LOOKS = 16;
