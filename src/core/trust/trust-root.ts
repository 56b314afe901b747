import type { SpkiDigest } from "./digest.ts";
import { encodeBase64 } from "./encodings.ts";
import { formatInstant } from "./instant.ts";
import { logKeyOf } from "./log-key.ts";
import type { LogKey } from "./log-key.ts";
import type { ObjectReader } from "./object-reader.ts";
import { KEY_ALGORITHMS, MAX_SPKI_BYTES, PublicKey } from "./public-key.ts";
import type { KeyAlgorithm } from "./public-key.ts";
import { RELEASE_KINDS } from "./statement.ts";
import type { ReleaseKind } from "./statement.ts";
import type { JsonObject } from "./strict-json.ts";
import type { PemAnchor } from "./trust-bundle.ts";
import { TrustError } from "./trust-error.ts";

export const DOORS = ["publish", "install", "load", "mount", "exec"] as const;
export type Door = (typeof DOORS)[number];

const MAX_ANCHORS = 256;
const MAX_LOGS = 32;
const PUBLISHER = /^(?:\*|[a-z0-9][a-z0-9-]{0,38})$/;

/** What an anchor may sign for. An empty list allows nothing; `*` as a publisher allows every publisher. */
export interface Scope {
  readonly publishers: readonly string[];
  readonly kinds: readonly ReleaseKind[];
  readonly doors: readonly Door[];
}

export interface Anchor {
  readonly key: PublicKey;
  readonly pemRef: string;
  readonly scope: Scope;
  readonly validFrom: Date;
  readonly validTo: Date;
  readonly algorithms: readonly KeyAlgorithm[];
}

/** The body of the `trust-root` document. `sigstore`, `tsa` and `witnessPolicy` are empty in this version, and refused otherwise. */
export interface TrustRootBody {
  readonly version: number;
  readonly anchors: readonly Anchor[];
  readonly logs: readonly LogKey[];
  readonly approvers: readonly string[];
}

/** What verification is judged against. */
export interface TrustRoot extends TrustRootBody {
  /** Keys that are held without a scope: they trust nothing and are named in the refusal. */
  readonly unscoped: readonly PemAnchor[];
}

/** Reads the body's own fields (for openDocument). Throws TrustError "document.malformed", "trust-root.unsupported", "key.…". */
export function parseTrustRootBody(reader: ObjectReader): TrustRootBody {
  const version = reader.integer("version", { min: 1 });
  const anchors = reader.objects("anchors", { max: MAX_ANCHORS }, readAnchor);
  const logs = reader.objects("logs", { max: MAX_LOGS }, readLog);
  const approvers = reader.strings("approvers", { max: 128, maxItems: 64 });
  for (const name of ["sigstore", "tsa"])
    if (reader.list(name, {}, () => name).length > 0) unsupported(name);
  if (reader.value("witnessPolicy") !== null) unsupported("witnessPolicy");
  return { version, ...requireDistinct({ anchors, logs }), approvers };
}

/** The body's own fields as JSON; parseTrustRootBody reads them back. */
export function trustRootJson(body: TrustRootBody): JsonObject {
  return {
    version: body.version,
    anchors: body.anchors.map(anchorJson),
    logs: body.logs.map(logJson),
    approvers: body.approvers,
    sigstore: [],
    tsa: [],
    witnessPolicy: null,
  };
}

/** The trust root of a process that holds the signed document alone. */
export function trustRootOf(body: TrustRootBody): TrustRoot {
  return { ...body, unscoped: [] };
}

/**
 * The trust root of a process that also holds the operator's PEM bundle: a scope counts only for a key in the bundle, and
 * never beyond the dates of its certificate; a key without a scope trusts nothing.
 */
export function joinTrust(pem: readonly PemAnchor[], body: TrustRootBody): TrustRoot {
  const held = new Map(pem.map((anchor) => [anchor.key.spkiDigest, anchor]));
  const anchors = body.anchors.flatMap((anchor) => {
    const source = held.get(anchor.key.spkiDigest);
    return source === undefined ? [] : [within(anchor, source)];
  });
  const scoped = new Set(body.anchors.map((anchor) => anchor.key.spkiDigest));
  return { ...body, anchors, unscoped: pem.filter((anchor) => !scoped.has(anchor.key.spkiDigest)) };
}

export function unscopedMessage(spkiDigest: SpkiDigest): string {
  return `anchor ${spkiDigest} trusts nothing because it has no scope: give it one with "caisson trust scope ${spkiDigest}"`;
}

function within(anchor: Anchor, source: PemAnchor): Anchor {
  const validFrom =
    source.notBefore !== undefined && source.notBefore > anchor.validFrom
      ? source.notBefore
      : anchor.validFrom;
  const validTo =
    source.notAfter !== undefined && source.notAfter < anchor.validTo
      ? source.notAfter
      : anchor.validTo;
  return { ...anchor, pemRef: source.pemRef, validFrom, validTo };
}

function readAnchor(reader: ObjectReader): Anchor {
  const key = PublicKey.fromSpki(reader.base64("spki", { maxBytes: MAX_SPKI_BYTES }));
  const scope = reader.object("scope");
  const validFrom = reader.instant("validFrom");
  const validTo = reader.instant("validTo");
  if (validTo <= validFrom) reader.refuse("validTo", "a time after validFrom");
  return {
    key,
    pemRef: reader.string("pemRef", { max: 256 }),
    scope: {
      publishers: scope.strings("publishers", { pattern: PUBLISHER, maxItems: 256 }),
      kinds: choices(scope, "kinds", RELEASE_KINDS),
      doors: choices(scope, "doors", DOORS),
    },
    validFrom,
    validTo,
    algorithms: choices(reader, "algorithms", KEY_ALGORITHMS),
  };
}

function readLog(reader: ObjectReader): LogKey {
  return logKeyOf(
    reader.string("verifierKey", { max: 512 }),
    reader.instant("validFrom"),
    reader.optionalInstant("validTo"),
  );
}

function choices<const T extends string>(
  reader: ObjectReader,
  name: string,
  values: readonly T[],
): readonly T[] {
  const texts = reader.strings(name, { max: 64, maxItems: values.length });
  return texts.map(
    (text) =>
      values.find((value) => value === text) ?? reader.refuse(name, `only ${values.join(", ")}`),
  );
}

/** One key under two scopes, or one log under two keys, would make the order of a list decide. */
function requireDistinct<T extends Pick<TrustRootBody, "anchors" | "logs">>(body: T): T {
  const keys = new Set(body.anchors.map((anchor) => anchor.key.spkiDigest));
  const logs = new Set(body.logs.map((log) => log.verifierKey));
  if (keys.size !== body.anchors.length || logs.size !== body.logs.length)
    throw new TrustError(
      "trust-root.malformed",
      "cannot use a trust root that names a key or log twice",
    );
  return body;
}

function anchorJson(anchor: Anchor): JsonObject {
  return {
    spki: encodeBase64(anchor.key.spki),
    pemRef: anchor.pemRef,
    scope: {
      publishers: anchor.scope.publishers,
      kinds: anchor.scope.kinds,
      doors: anchor.scope.doors,
    },
    validFrom: formatInstant(anchor.validFrom),
    validTo: formatInstant(anchor.validTo),
    algorithms: anchor.algorithms,
  };
}

function logJson(log: LogKey): JsonObject {
  return {
    verifierKey: log.verifierKey,
    validFrom: formatInstant(log.validFrom),
    ...(log.validTo === undefined ? {} : { validTo: formatInstant(log.validTo) }),
  };
}

function unsupported(name: string): never {
  throw new TrustError(
    "trust-root.unsupported",
    `cannot use a trust root with ${name}: this version verifies keys and logs only`,
  );
}
