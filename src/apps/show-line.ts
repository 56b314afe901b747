import type { Metrics } from "#platform";
import type { ControlLine, Spool } from "#link";

/** What every edge shows of what it has from control. */
export function showLine(metrics: Metrics, line: ControlLine): void {
  metrics.show("caisson_fence_epoch", () => line.state.fence?.epoch ?? -1);
  metrics.show("caisson_snapshot_age_seconds", () => {
    const age = line.age();
    return age === null ? -1 : age / 1_000;
  });
}

/** And of what it has for control. */
export function showSpool(metrics: Metrics, spool: Pick<Spool<never>, "open" | "waiting">): void {
  metrics.show("caisson_spool_open", () => (spool.open ? 1 : 0));
  metrics.show("caisson_spool_segments", () => spool.waiting);
}
