import {
  decodeHex,
  digestBytes,
  digestOf,
  encodeHex,
  openDocument,
  parseDigest,
  sealDocument,
} from "#trust";
import type { ManifestDigest, ObjectReader, OpenedDocument, PublicKey, Signer } from "#trust";
import { readConfigValues } from "./config-values.ts";
import type { ConfigValues } from "./config-values.ts";
import { readEgress } from "./egress.ts";
import type { EgressRule } from "./egress.ts";
import { capabilityNames } from "./extension-config.ts";
import type { CapabilityName } from "./extension-config.ts";
import { limits } from "./limits.ts";
import { parseExtensionId, parseVersion } from "./names.ts";
import type { Version } from "./names.ts";

export interface GrantLimits {
  readonly memoryBytes: number;
  readonly deadlineMs: number;
  /** 0: the runner class without fuel serves it; else the one with it. */
  readonly fuel: number;
  readonly responseBytes: number;
  readonly logBytes: number;
  readonly logLines: number;
  readonly concurrency: number;
}

/** What one install may do: signed by control's state key, checked again by the runner (interfaces §2). */
export interface Grant {
  readonly tenant: string;
  readonly install: string;
  readonly extension: string;
  readonly version: Version;
  readonly contentHash: ManifestDigest;
  readonly capabilities: readonly CapabilityName[];
  /** Where `http.fetch` may go; empty: nowhere. */
  readonly egress: readonly EgressRule[];
  /** What the tenant set of the names that the manifest declares (capability `config`). */
  readonly config: ConfigValues;
  readonly limits: GrantLimits;
  readonly trustClass: "shared";
  readonly epoch: number;
}

const UUID = /^[0-9a-f-]{36}$/;

export function sealGrant(
  grant: Grant,
  times: { v: number; issuedAt: string; expiresAt: string },
  signer: Signer,
): Uint8Array {
  const { contentHash, ...rest } = grant;
  return sealDocument(
    "grant",
    {
      ...rest,
      capabilities: [...grant.capabilities],
      egress: grant.egress.map(({ origin, methods }) => ({ origin, methods: [...methods] })),
      config: { ...grant.config },
      limits: { ...grant.limits },
      content_hash: contentHash,
      ...times,
    },
    signer,
  ); // plain JSON by its type
}

/** bytes: attacker-controlled. Throws TrustError where the signature, the window or the shape does not hold. */
export function openGrant(
  bytes: Uint8Array,
  stateKey: PublicKey,
  now: Date,
): OpenedDocument<Grant> {
  return openDocument("grant", bytes, [stateKey], now, readGrant);
}

function readGrant(reader: ObjectReader): Grant {
  const extension = reader.string("extension", { max: 79 });
  if (parseExtensionId(extension) === null) reader.refuse("extension", "publisher.name");
  return {
    tenant: reader.string("tenant", { pattern: UUID }),
    install: reader.string("install", { pattern: UUID }),
    extension,
    version:
      parseVersion(reader.string("version", { max: 64 })) ??
      reader.refuse("version", "a semantic version"),
    contentHash: parseDigest("manifest", reader.string("content_hash", { max: 71 })),
    capabilities: reader
      .strings("capabilities", { max: 40, maxItems: 32 })
      .map((name) => knownCapability(reader, name)),
    // Grants of before the capabilities have none: they go nowhere, and nothing is set.
    egress: reader.has("egress") ? readEgress(reader, "egress") : [],
    config: reader.has("config") ? readConfigValues(reader, "config") : {},
    limits: readLimits(reader.object("limits")),
    trustClass: reader.literal("trustClass", "shared"),
    epoch: reader.integer("epoch", { min: 0 }),
  };
}

function knownCapability(reader: ObjectReader, name: string): CapabilityName {
  return (
    capabilityNames.find((known) => known === name) ??
    reader.refuse("capabilities", capabilityNames.join(", "))
  );
}

function readLimits(reader: ObjectReader): GrantLimits {
  const read = {
    memoryBytes: reader.integer("memoryBytes", { min: 65_536, max: limits.memoryBytes.max }),
    deadlineMs: reader.integer("deadlineMs", { min: 1, max: limits.planDeadlineMs.max }),
    // Grants of before there was fuel have none.
    fuel: reader.has("fuel") ? reader.integer("fuel", { min: 0, max: limits.fuel.max }) : 0,
    responseBytes: reader.integer("responseBytes", { min: 0, max: limits.bodyBytes.max }),
    logBytes: reader.integer("logBytes", { min: 0, max: limits.logBytes.max }),
    logLines: reader.integer("logLines", { min: 0, max: limits.logLines.max }),
    concurrency: reader.integer("concurrency", { min: 1, max: limits.installConcurrency.max }),
  };
  reader.end();
  return read;
}

/** First 16 bytes of the payload's SHA-256: names a grant on the line between gateway and sandbox. */
export function grantHandle(document: Pick<OpenedDocument<Grant>, "digest">): Uint8Array {
  return digestBytes(document.digest).subarray(0, 16);
}

const TENANT_KEY_BYTES = 8;

/** Stands for a tenant on the line to a sandbox, which needs to know whose calls take turns and not who they are. */
export function tenantKey(tenant: string): Uint8Array {
  return digestBytes(digestOf("file", new TextEncoder().encode(tenant))).subarray(
    0,
    TENANT_KEY_BYTES,
  );
}

export function handleHex(handle: Uint8Array): string {
  return encodeHex(handle);
}

export function parseHandle(text: string): Uint8Array {
  return decodeHex(text);
}
