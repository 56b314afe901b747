import { decodeBase64, encodeBase64, ObjectReader, openDocument, sealDocument } from "#trust";
import type { JsonValue, OpenedDocument, PublicKey, Signer } from "#trust";
import { parseEndpoint } from "./endpoint.ts";
import type { Endpoint } from "./endpoint.ts";
import { limits } from "./limits.ts";
import { runnerClasses } from "./runner-class.ts";
import type { RunnerClass } from "./runner-class.ts";

export interface SnapshotKey {
  readonly id: string;
  readonly tenant: string;
  /** SHA-256 of the key, 64 hex digits. */
  readonly hash: string;
  /** May call extensions. */
  readonly call: boolean;
}

export interface SnapshotInstall {
  readonly tenant: string;
  readonly id: string;
  readonly extension: string;
  readonly version: string;
  readonly contentHash: string;
  /** SPKI digest of the key that signed the release: a fence may name it. */
  readonly signer: string;
  readonly state: "building" | "ready";
  /** 32 hex digits; of the grant that serves. */
  readonly handle: string;
  readonly endpoints: readonly Endpoint[];
  readonly deadlineMs: number;
  /** Where its calls run. */
  readonly class: RunnerClass;
  readonly concurrency: number;
}

export interface SnapshotGrant {
  readonly document: Uint8Array;
  readonly building: boolean;
}

/** All that an edge needs to serve without control (interfaces §2). Always whole. */
export interface Snapshot {
  readonly epoch: number;
  /** An edge whose fence is older than this serves nothing from it. */
  readonly fenceEpoch: number;
  readonly keys: readonly SnapshotKey[];
  readonly installs: readonly SnapshotInstall[];
  readonly grants: readonly SnapshotGrant[];
  readonly greatestAgeMs: number;
}

const MAX_ROWS = 100_000;
const DIGEST = /^sha256:[a-f0-9]{64}$/;
const UUID = /^[0-9a-f-]{36}$/;

export function sealSnapshot(
  snapshot: Snapshot,
  times: { v: number; issuedAt: string; expiresAt: string },
  signer: Signer,
): Uint8Array {
  const body = {
    ...times,
    epoch: snapshot.epoch,
    fenceEpoch: snapshot.fenceEpoch,
    full: true,
    keys: snapshot.keys.map((key) => ({ ...key })),
    installs: snapshot.installs.map((install) => ({
      ...install,
      endpoints: install.endpoints.map((endpoint) => ({ ...endpoint })),
    })),
    grants: snapshot.grants.map((grant) => ({
      document: encodeBase64(grant.document),
      building: grant.building,
    })),
    greatestAgeMs: snapshot.greatestAgeMs,
  };
  return sealDocument("snapshot", body, signer);
}

/** bytes: attacker-controlled. Throws TrustError where the signature, the window or the shape does not hold. */
export function openSnapshot(
  bytes: Uint8Array,
  stateKey: PublicKey,
  now: Date,
): OpenedDocument<Snapshot> {
  return openDocument("snapshot", bytes, [stateKey], now, readSnapshot);
}

function readSnapshot(reader: ObjectReader): Snapshot {
  reader.literal("full", true);
  return {
    epoch: reader.integer("epoch", { min: 1 }),
    fenceEpoch: reader.integer("fenceEpoch", { min: 0 }),
    keys: reader.list("keys", { max: MAX_ROWS }, readKey),
    installs: reader.list("installs", { max: MAX_ROWS }, readInstall),
    grants: reader.list("grants", { max: MAX_ROWS }, readGrant),
    greatestAgeMs: reader.integer("greatestAgeMs", { min: 1, max: limits.snapshotAgeMs.max }),
  };
}

function readKey(value: JsonValue, path: string): SnapshotKey {
  const reader = ObjectReader.of(value, path);
  const key = {
    id: reader.string("id", { pattern: UUID }),
    tenant: reader.string("tenant", { pattern: UUID }),
    hash: reader.string("hash", { pattern: /^[0-9a-f]{64}$/ }),
    call: reader.boolean("call"),
  };
  reader.end();
  return key;
}

function readInstall(value: JsonValue, path: string): SnapshotInstall {
  const reader = ObjectReader.of(value, path);
  const install = {
    tenant: reader.string("tenant", { pattern: UUID }),
    id: reader.string("id", { pattern: UUID }),
    extension: reader.string("extension", { max: 79 }),
    version: reader.string("version", { max: 64 }),
    contentHash: reader.string("contentHash", { pattern: DIGEST }),
    signer: reader.string("signer", { pattern: DIGEST }),
    state: reader.oneOf("state", ["building", "ready"]),
    handle: reader.string("handle", { pattern: /^[0-9a-f]{32}$/ }),
    endpoints: reader.list("endpoints", { max: limits.endpoints.value }, readEndpoint),
    deadlineMs: reader.integer("deadlineMs", { min: 1, max: limits.planDeadlineMs.max }),
    // Snapshots of before there were classes.
    class: reader.has("class") ? reader.oneOf("class", runnerClasses) : "epoch",
    concurrency: reader.integer("concurrency", { min: 1, max: limits.installConcurrency.max }),
  };
  reader.end();
  return install;
}

function readEndpoint(value: JsonValue, path: string): Endpoint {
  const reader = ObjectReader.of(value, path);
  const endpoint = parseEndpoint(
    reader.string("method", { max: 16 }),
    reader.string("path", { max: 512 }),
  );
  reader.end();
  return endpoint ?? reader.refuse("path", "an endpoint");
}

function readGrant(value: JsonValue, path: string): SnapshotGrant {
  const reader = ObjectReader.of(value, path);
  const grant = {
    document: decodeBase64(reader.string("document", { max: 32_768 }), { maxBytes: 24_576 }),
    building: reader.boolean("building"),
  };
  reader.end();
  return grant;
}
