import { openDocument, sealDocument } from "#trust";
import type { ObjectReader, OpenedDocument, PublicKey, Signer } from "#trust";
import { limits } from "./limits.ts";

/** What an entry stops. `key` is the SPKI digest of a publisher's key. */
export const fenceScopes = [
  "all",
  "tenant",
  "extension",
  "install",
  "digest",
  "publisher",
  "key",
] as const;
export type FenceScope = (typeof fenceScopes)[number];

/** `edge` is set where an edge is removed, and by nothing else; it hits no extension but the edge's own calls. */
const fenceEntryScopes = [...fenceScopes, "edge"] as const;
export type FenceEntryScope = (typeof fenceEntryScopes)[number];

/** The id of the one entry of scope `all`. */
export const FENCE_ALL = "*";

/** One thing that is stopped (design §5, interfaces §2). */
export interface FenceEntry {
  readonly scope: FenceEntryScope;
  readonly id: string;
  /** Of the fence that it came with; grows with every change. */
  readonly epoch: number;
  readonly reason: string;
  /** A halt can be lifted, a revocation cannot. */
  readonly reversible: boolean;
  readonly by: string;
}

/** What an entry may hit: whatever of it is known. */
export interface FenceSubject {
  readonly extension: string;
  readonly tenant?: string;
  readonly install?: string;
  readonly contentHash?: string;
  /** SPKI digest of the key that signed the release. */
  readonly signer?: string | null;
}

/** All that is stopped at an epoch; always whole, so that one document is enough and the newest wins. */
export class Fence {
  readonly epoch: number;
  readonly entries: readonly FenceEntry[];
  readonly #byTarget: ReadonlyMap<string, FenceEntry>;

  constructor(epoch: number, entries: readonly FenceEntry[]) {
    this.epoch = epoch;
    this.entries = entries;
    this.#byTarget = new Map(entries.map((entry) => [`${entry.scope} ${entry.id}`, entry]));
  }

  find(scope: FenceEntryScope, id: string): FenceEntry | null {
    return this.#byTarget.get(`${scope} ${id}`) ?? null;
  }

  /** The entry that stops the subject, a revocation before a halt; null where nothing does. */
  hit(subject: FenceSubject): FenceEntry | null {
    if (this.entries.length === 0) return null;
    const hits = targetsOf(subject).flatMap(([scope, id]) => this.find(scope, id) ?? []);
    return hits.find((entry) => !entry.reversible) ?? hits[0] ?? null;
  }
}

function targetsOf(subject: FenceSubject): (readonly [FenceScope, string])[] {
  const { extension, tenant, install, contentHash, signer } = subject;
  return [
    ["all", FENCE_ALL],
    ["tenant", tenant ?? ""],
    ["extension", extension],
    ["install", install ?? ""],
    ["digest", contentHash ?? ""],
    ["publisher", extension.split(".")[0] ?? ""],
    ["key", signer ?? ""],
  ];
}

export function sealFence(
  fence: Fence,
  times: { v: number; issuedAt: string; expiresAt: string },
  signer: Signer,
): Uint8Array {
  const entries = fence.entries.map((entry) => ({ ...entry }));
  return sealDocument("fence", { ...times, epoch: fence.epoch, entries }, signer);
}

/** bytes: attacker-controlled. Throws TrustError where the signature, the window or the shape does not hold. */
export function openFence(
  bytes: Uint8Array,
  stateKey: PublicKey,
  now: Date,
): OpenedDocument<Fence> {
  return openDocument("fence", bytes, [stateKey], now, readFence);
}

function readFence(reader: ObjectReader): Fence {
  const epoch = reader.integer("epoch", { min: 0 });
  return new Fence(epoch, reader.objects("entries", { max: limits.fenceEntries.value }, readEntry));
}

function readEntry(reader: ObjectReader): FenceEntry {
  return {
    scope: reader.oneOf("scope", fenceEntryScopes),
    id: reader.string("id", { max: 80 }),
    epoch: reader.integer("epoch", { min: 1 }),
    reason: reader.string("reason", { max: 500 }),
    reversible: reader.boolean("reversible"),
    by: reader.string("by", { max: 100 }),
  };
}
