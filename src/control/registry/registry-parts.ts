import type { GrantReader } from "#contract";
import type { LogKey } from "#trust";
import type { Clock, Log, Metrics } from "#platform";
import type { Fences } from "#fence";
import type { Audit } from "#audit";
import type { TileLog } from "#log";
import type { Store } from "#store";
import type { BlobStore } from "./blob-store.ts";
import type { ControlKeys } from "./keystore.ts";
import type { TrialDesk } from "./trial-desk.ts";
import type { TrustRoots } from "./trust-roots.ts";

/** What the registry's doors work with. */
export interface RegistryParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly blobs: BlobStore;
  readonly keys: ControlKeys;
  /** Of the state key. */
  readonly grants: GrantReader;
  readonly trust: TrustRoots;
  readonly log: Pick<TileLog, "append">;
  readonly logKey: LogKey;
  readonly audit: Audit;
  /** C2SP verifier key of the audit log. */
  readonly auditLogKey: string;
  readonly fences: Fences;
  /** Runs what must be seen running before it is admitted. */
  readonly trials: Pick<TrialDesk, "run" | "attach" | "take">;
  /** Where what happened is told: a line and a count for each event. */
  readonly events: { readonly log: Log; readonly metrics: Metrics };
  /** `package:interface` names that toolchains import (sdk/wit/toolchain-imports.txt). */
  readonly toolchainImports: ReadonlySet<string>;
}
