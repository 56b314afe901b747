import { createPublicKey } from "node:crypto";
import {
  documentTimes,
  parseDigest,
  parseTrustBundle,
  PublicKey,
  sealDocument,
  trustRootJson,
  unscopedMessage,
} from "#trust";
import type { Anchor, LogKey, PemAnchor, Scope, Signer, TrustRoot } from "#trust";
import { Followed } from "#platform";
import type { Clock } from "#platform";
import type { AnchorScopeRow, Store } from "#store";
import { RegistryError } from "./registry-error.ts";

const ROOT_VALID_MS = 10 * 365 * 24 * 3_600_000;
const ALGORITHMS = [
  "ecdsa-p256-sha256",
  "ecdsa-p384-sha384",
  "ed25519",
  "rsa-pkcs1-sha256",
] as const;

export interface AnchorView {
  readonly spki: string;
  readonly source: string;
  readonly scope: AnchorScopeRow | null;
  readonly message: string | null;
}

interface Held {
  readonly anchor: PemAnchor;
  readonly source: string;
}

/** What this control trusts: the operator's PEM bundle and added keys, each with the scope it was given; versioned and signed. */
export class TrustRoots {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #signer: Signer;
  readonly #logs: readonly LogKey[];
  readonly #bundle: readonly PemAnchor[];
  readonly #changes = new Followed(() => this.#refresh());
  #current: { root: TrustRoot; document: Uint8Array; views: AnchorView[] } | null = null;

  private constructor(
    store: Store,
    clock: Clock,
    signer: Signer,
    logs: readonly LogKey[],
    bundle: readonly PemAnchor[],
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#signer = signer;
    this.#logs = logs;
    this.#bundle = bundle;
  }

  /** bundlePem: `SIGNING_TRUST_BUNDLE`; null trusts only what was added by hand. */
  static async open(parts: {
    store: Store;
    clock: Clock;
    signer: Signer;
    logs: readonly LogKey[];
    bundlePem: string | null;
  }): Promise<TrustRoots> {
    const bundle = parts.bundlePem === null ? [] : parseTrustBundle(parts.bundlePem);
    const roots = new TrustRoots(parts.store, parts.clock, parts.signer, parts.logs, bundle);
    await roots.#refresh();
    return roots;
  }

  get root(): TrustRoot {
    return this.#now().root;
  }

  /** The signed document that edges verify under the trust-root key. */
  get document(): Uint8Array {
    return this.#now().document;
  }

  get views(): readonly AnchorView[] {
    return this.#now().views;
  }

  #now(): { root: TrustRoot; document: Uint8Array; views: AnchorView[] } {
    if (this.#current === null)
      throw new RegistryError("anchor.unknown", "cannot answer before the trust root is read");
    return this.#current;
  }

  /** pem: one or more public keys or certificates. They trust nothing until scoped. */
  async add(pem: string): Promise<AnchorView[]> {
    const added = parseTrustBundle(pem);
    await this.#changes.change(async () => {
      for (const anchor of added) await this.#insert(anchor);
    });
    const names = new Set<string>(added.map((anchor) => anchor.key.spkiDigest));
    return this.views.filter((view) => names.has(view.spki));
  }

  async #insert(anchor: PemAnchor): Promise<void> {
    const row = {
      spki: anchor.key.spkiDigest,
      pem: anchor.key.toPem(),
      scope: "null",
      valid_from: anchor.notBefore ?? null,
      valid_to: anchor.notAfter ?? null,
      created_at: this.#clock.now(),
    };
    await this.#store.asSystem((tx) =>
      tx
        .insertInto("trust_anchor")
        .values(row)
        .onConflict((on) => on.column("spki").doNothing())
        .execute(),
    );
  }

  /** Throws RegistryError "anchor.unknown" for a key that is neither in the bundle nor added. */
  async scope(spki: string, scope: AnchorScopeRow): Promise<AnchorView> {
    const digest = parseDigest("spki", spki);
    await this.#changes.change(() => this.#setScope(digest, scope));
    const view = this.views.find((candidate) => candidate.spki === digest);
    if (view === undefined) throw new RegistryError("anchor.unknown", `cannot find ${digest}`);
    return view;
  }

  async #setScope(digest: string, scope: AnchorScopeRow): Promise<void> {
    const fromBundle = this.#bundle.find((anchor) => anchor.key.spkiDigest === digest);
    if (fromBundle !== undefined) await this.#insert(fromBundle);
    const done = await this.#store.asSystem((tx) =>
      tx
        .updateTable("trust_anchor")
        .set({ scope: JSON.stringify(scope) })
        .where("spki", "=", digest)
        .executeTakeFirst(),
    );
    if (done.numUpdatedRows === 0n)
      throw new RegistryError("anchor.unknown", `cannot scope ${digest}: no such key was given`);
  }

  async #refresh(): Promise<void> {
    const rows = await this.#store.asSystem((tx) =>
      tx.selectFrom("trust_anchor").selectAll().orderBy("spki").execute(),
    );
    const scopes = new Map(rows.map((row) => [row.spki, row.scope]));
    const held = joinSources(this.#bundle, rows);
    const anchors = held.flatMap(({ anchor, source }) =>
      scoped(anchor, source, scopes.get(anchor.key.spkiDigest) ?? null),
    );
    const unscoped = held
      .filter(
        ({ anchor }) => !anchors.some((known) => known.key.spkiDigest === anchor.key.spkiDigest),
      )
      .map(({ anchor }) => anchor);
    const views = held.map(({ anchor, source }) =>
      view(anchor, source, scopes.get(anchor.key.spkiDigest) ?? null),
    );
    this.#current = { ...(await this.#sealed(anchors, unscoped)), views };
  }

  async #sealed(
    anchors: readonly Anchor[],
    unscoped: readonly PemAnchor[],
  ): Promise<{ root: TrustRoot; document: Uint8Array }> {
    const newest = await this.#store.asSystem((tx) =>
      tx
        .selectFrom("trust_root")
        .select("version")
        .orderBy("version", "desc")
        .limit(1)
        .executeTakeFirst(),
    );
    const body = {
      version: Number(newest?.version ?? 0) + 1,
      anchors,
      logs: this.#logs,
      approvers: [],
    };
    const now = this.#clock.now();
    const document = sealDocument(
      "trust-root",
      { ...trustRootJson(body), ...documentTimes(now, new Date(now.getTime() + ROOT_VALID_MS)) },
      this.#signer,
    );
    await this.#store.asSystem((tx) =>
      tx
        .insertInto("trust_root")
        .values({ version: body.version, document: Buffer.from(document), created_at: now })
        .execute(),
    );
    return { root: { ...body, unscoped }, document };
  }
}

function joinSources(
  bundle: readonly PemAnchor[],
  rows: readonly { spki: string; pem: string; valid_from: Date | null; valid_to: Date | null }[],
): Held[] {
  const fromBundle = bundle.map((anchor) => ({ anchor, source: "SIGNING_TRUST_BUNDLE" }));
  const added = rows
    .filter((row) => !bundle.some((anchor) => anchor.key.spkiDigest === row.spki))
    .map((row) => ({ anchor: anchorOfRow(row), source: "added" }));
  return [...fromBundle, ...added];
}

function anchorOfRow(row: {
  spki: string;
  pem: string;
  valid_from: Date | null;
  valid_to: Date | null;
}): PemAnchor {
  const key = PublicKey.fromKeyObject(createPublicKey(row.pem));
  const dates =
    row.valid_from === null || row.valid_to === null
      ? {}
      : { notBefore: row.valid_from, notAfter: row.valid_to };
  return { key, pemRef: `added:${row.spki}`, ...dates };
}

function scoped(anchor: PemAnchor, source: string, scope: AnchorScopeRow | null): Anchor[] {
  if (scope === null) return [];
  return [
    {
      key: anchor.key,
      pemRef: `${source}:${anchor.key.spkiDigest}`,
      // The API's schema and the scope's own parser at every edge hold these to the closed lists.
      scope: scope as Scope,
      validFrom: anchor.notBefore ?? new Date("2000-01-01T00:00:00Z"),
      validTo: anchor.notAfter ?? new Date("2100-01-01T00:00:00Z"),
      algorithms: ALGORITHMS,
    },
  ];
}

function view(anchor: PemAnchor, source: string, scope: AnchorScopeRow | null): AnchorView {
  const spki = anchor.key.spkiDigest;
  return { spki, source, scope, message: scope === null ? unscopedMessage(spki) : null };
}
