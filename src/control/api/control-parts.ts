import type { KvCalls } from "#kv";
import type { Log, Metrics } from "#platform";
import type { SelfCheck } from "#contract";
import type { PostureDesk } from "#posture";
import type { RegistryParts } from "#registry";
import type { FenceLines } from "./fence-lines.ts";
import type { TrialLines } from "./trial-lines.ts";
import type { EdgeStreams } from "./edge-streams.ts";
import type { EdgeLines } from "./edge-lines.ts";

/** What the routes work with. */
export interface ControlParts {
  readonly registry: RegistryParts;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly posture: PostureDesk;
  /** What control's own main finds in its process. */
  readonly ownChecks: () => Promise<readonly SelfCheck[]>;
}

export interface RouteParts extends ControlParts {
  readonly lines: EdgeLines;
  readonly fenceLines: FenceLines;
  readonly trialLines: TrialLines;
  readonly streams: EdgeStreams;
  readonly kv: KvCalls;
}
