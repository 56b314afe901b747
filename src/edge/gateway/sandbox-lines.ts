import { runnerClasses, sandboxFolder } from "#contract";
import type { RunnerClass } from "#contract";
import type { SandboxClient } from "./sandbox-client.ts";
import { SandboxLine } from "./sandbox-line.ts";

/** A gateway's lines to the sandboxes of its machine's runner: one for each class. */
export class SandboxLines implements Disposable {
  readonly #lines: ReadonlyMap<RunnerClass, SandboxLine>;

  constructor(runtime: string) {
    this.#lines = new Map(
      runnerClasses.map((each) => [each, new SandboxLine(sandboxFolder(runtime, each))]),
    );
  }

  /** Null while no sandbox of the class takes calls. */
  client(runnerClass: RunnerClass): SandboxClient | null {
    return this.#lines.get(runnerClass)?.client ?? null;
  }

  [Symbol.dispose](): void {
    for (const line of this.#lines.values()) line[Symbol.dispose]();
  }
}
