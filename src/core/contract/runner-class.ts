/** Kinds of sandboxes: stopped by the clock alone, or by the clock and exactly when a call's fuel is used up. */
export const runnerClasses = ["epoch", "fuel"] as const;
export type RunnerClass = (typeof runnerClasses)[number];

/** Where a runner's sandboxes of that class have their sockets, below its runtime folder. */
export function sandboxFolder(runtime: string, runnerClass: RunnerClass): string {
  return runnerClass === "epoch" ? runtime : `${runtime}/${runnerClass}`;
}

/** The class that serves a grant: no sandbox of the other one takes it. */
export function classOf({ fuel }: { readonly fuel: number }): RunnerClass {
  return fuel > 0 ? "fuel" : "epoch";
}
