import type { Log, Metrics } from "#platform";
import type { RegistryParts } from "#registry";
import type { FenceLines } from "./fence-lines.ts";
import type { EdgeLines } from "./edge-lines.ts";

/** What the routes work with. */
export interface ControlParts {
  readonly registry: RegistryParts;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface RouteParts extends ControlParts {
  readonly lines: EdgeLines;
  readonly fenceLines: FenceLines;
}
