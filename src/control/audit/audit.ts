import { randomBytes } from "node:crypto";
import { canonicalJson, sha256 } from "#trust";
import type { AuditEvidence } from "#contract";
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
    | "edge.enrolled"
    | "edge.removed"
    | "execute-token.issued"
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
  /** The leaf of a verdict that was judged at `at`, and its proof in the newest tree; null where there is none. */
  proveVerdict(id: string, at: Date): Promise<AuditEvidence | null>;
}

const SALT_BYTES = 32;
/** A verdict is audited as soon as it is judged; a slow disk may take its time. */
const NEAR_MS = 600_000;

/** Leaves of the audit origin are SHA-256(32-byte salt ‖ RFC 8785 record) (interfaces §2, audit leaf). */
export function openAudit(parts: {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Pick<TileLog, "append" | "inclusionProof" | "readCheckpoint" | "size">;
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
    async proveVerdict(id, at) {
      const row = await findRecord(parts.store, id, at);
      if (row === null) return null;
      const index = BigInt(row.log_index);
      const [size, checkpoint] = [parts.log.size, parts.log.readCheckpoint()];
      const proof = await parts.log.inclusionProof(index, size);
      return { index: Number(index), salt: row.salt, record: row.record, proof, checkpoint };
    },
  };
}

type RecordRow = { readonly log_index: string; readonly salt: Buffer; readonly record: Buffer };

/** The first leaf that says `… <id>` of a verdict: one that was judged again says it again. */
async function findRecord(store: Store, id: string, at: Date): Promise<RecordRow | null> {
  const rows = await store.asSystem((tx) =>
    tx
      .selectFrom("audit_record")
      .select(["log_index", "salt", "record"])
      .where("created_at", ">=", new Date(at.getTime() - NEAR_MS))
      .where("created_at", "<=", new Date(at.getTime() + NEAR_MS))
      .orderBy("log_index")
      .execute(),
  );
  return rows.find(({ record }) => record.includes(` ${id}"`)) ?? null;
}
