import { randomBytes } from "node:crypto";
import { canonicalJson, sha256 } from "#trust";
import type { TileLog } from "#log";
import type { Clock } from "#platform";
import type { Store } from "#store";

/** One verdict or one change; calls are not audited but recorded. */
export interface AuditEvent {
  readonly kind:
    | "verdict"
    | "tenant.created"
    | "key.created"
    | "key.revoked"
    | "publisher.created"
    | "anchor.added"
    | "anchor.scoped"
    | "install.removed"
    | "operator-key.set"
    | "fence.set"
    | "fence.lifted";
  /** Who did it: kind and id of the principal; "system" for control itself. */
  readonly by: string;
  readonly tenant: string | null;
  /** What it was done to: a name, an id or a digest; never a secret. */
  readonly subject: string;
  readonly detail: string;
}

export interface Audit {
  /** Durable when it resolves: whoever cannot write this does not admit. Returns the leaf's index. */
  record(event: AuditEvent): Promise<bigint>;
}

const SALT_BYTES = 32;

/** Leaves of the audit origin are SHA-256(32-byte salt ‖ RFC 8785 record) (interfaces §2, audit leaf). */
export function openAudit(parts: {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Pick<TileLog, "append">;
}): Audit {
  return {
    async record(event) {
      const at = parts.clock.now();
      const record = canonicalJson({ v: 1, at: at.toISOString(), ...event });
      const salt = randomBytes(SALT_BYTES);
      const leaf = sha256(salt, record);
      const { index } = await parts.log.append(leaf);
      const row = {
        leaf: Buffer.from(leaf),
        log_index: index,
        salt,
        record: Buffer.from(record),
        created_at: at,
      };
      await parts.store.asSystem((tx) => tx.insertInto("audit_record").values(row).execute());
      return index;
    },
  };
}
