/** Every bound of the product, with its unit (interfaces §5). docs/contract.md is generated from this table. */
export const KIB = 1024;
export const MIB = 1024 * KIB;

export const limits = {
  bodyBytes: { value: 10 * MIB, max: 64 * MIB, of: "request or response body, bytes" },
  headerCount: { value: 64, max: 64, of: "request headers" },
  headerBytes: { value: 16 * KIB, max: 16 * KIB, of: "request headers in all, bytes" },
  urlBytes: { value: 8 * KIB, max: 8 * KIB, of: "request target, bytes" },
  callDeadlineMs: { value: 5_000, max: 300_000, of: "call deadline, milliseconds" },
  planDeadlineMs: {
    value: 30_000,
    max: 30_000,
    of: "deadline that a plan may allow, milliseconds",
  },
  memoryBytes: {
    value: 64 * MIB,
    max: 128 * MIB,
    of: "memory per call summed over the Store, bytes",
  },
  fuel: {
    value: 0,
    max: 1_000_000_000_000,
    of: "fuel per call, about one unit an instruction and one a byte moved in bulk; 0: not counted",
  },
  logBytes: { value: 64 * KIB, max: 64 * KIB, of: "guest log per call, bytes" },
  logLines: { value: 256, max: 256, of: "guest log lines per call" },
  capabilityCalls: { value: 256, max: 4_096, of: "capability calls per call" },
  capabilityBytes: { value: MIB, max: MIB, of: "one capability call or its answer, bytes" },
  egressRequests: { value: 16, max: 4_096, of: "outgoing requests per call" },
  egressInBytes: { value: 10 * MIB, max: 64 * MIB, of: "bytes received by a call from outside" },
  egressOutBytes: { value: 10 * MIB, max: 64 * MIB, of: "bytes sent by a call to the outside" },
  kvKeyBytes: { value: 512, max: 512, of: "key of storage.kv, bytes" },
  kvValueBytes: { value: 64 * KIB, max: 64 * KIB, of: "value of storage.kv, bytes" },
  kvKeys: { value: 10_000, max: 10_000, of: "keys of storage.kv per install" },
  kvBytes: {
    value: 64 * MIB,
    max: 64 * MIB,
    of: "keys and values of storage.kv per install, bytes",
  },
  kvTtlSeconds: {
    value: 90 * 86_400,
    max: 90 * 86_400,
    of: "time that a key of storage.kv may be given, seconds",
  },
  kvPageKeys: { value: 1_000, max: 1_000, of: "keys of one list of storage.kv" },
  configKeys: { value: 64, max: 64, of: "names that an extension declares for config" },
  configValueBytes: { value: 4 * KIB, max: 4 * KIB, of: "one value of config, bytes" },
  configValuesBytes: {
    value: 16 * KIB,
    max: 16 * KIB,
    of: "names and values of config that an install sets, bytes; of defaults as much again",
  },
  metricNames: { value: 32, max: 32, of: "names that an extension declares for metrics" },
  metricLabels: { value: 4, max: 4, of: "labels of one of them" },
  metricBuckets: { value: 16, max: 16, of: "buckets of a histogram" },
  metricPoints: { value: 256, max: 256, of: "points of metrics per call" },
  metricSeries: {
    value: 256,
    max: 256,
    of: "series of metrics per install; what comes on top is one series a name, _overflow",
  },
  installConcurrency: { value: 32, max: 512, of: "calls at once per install" },
  tenantConcurrency: { value: 128, max: 512, of: "calls at once per tenant" },
  sandboxConcurrency: { value: 128, max: 512, of: "calls at once per sandbox process" },
  queueLength: { value: 256, max: 256, of: "calls waiting per sandbox process" },
  artifactFiles: { value: 512, max: 512, of: "files of an artifact" },
  artifactFileBytes: { value: 64 * MIB, max: 64 * MIB, of: "one file of an artifact, bytes" },
  artifactBytes: { value: 256 * MIB, max: 256 * MIB, of: "all files of an artifact, bytes" },
  manifestBytes: { value: 4 * MIB, max: 4 * MIB, of: "OCI manifest, bytes" },
  configBytes: { value: 256 * KIB, max: 256 * KIB, of: "extension config, bytes" },
  bundleBytes: { value: MIB, max: MIB, of: "signature bundle, bytes" },
  referrers: { value: 100, max: 100, of: "referrers of one manifest" },
  jsonDepth: { value: 64, max: 64, of: "nesting of a JSON document" },
  endpoints: { value: 256, max: 256, of: "endpoints of an extension" },
  snapshotAgeMs: {
    value: 15 * 60_000,
    max: 24 * 3_600_000,
    of: "age of a snapshot that an edge still serves, milliseconds",
  },
  pendingMs: {
    value: 24 * 3_600_000,
    max: 24 * 3_600_000,
    of: "time that a pushed, unjudged artifact is kept, milliseconds",
  },
  logKeptMs: {
    value: 7 * 24 * 3_600_000,
    max: 7 * 24 * 3_600_000,
    of: "time that guest log lines are kept, milliseconds",
  },
  documentBytes: {
    value: 16 * MIB,
    max: 16 * MIB,
    of: "signed document of ours (a snapshot), bytes",
  },
  fenceEntries: {
    value: 20_000,
    max: 20_000,
    of: "revocations and halts that stand at once",
  },
  fenceAckMs: {
    value: 5_000,
    max: 5_000,
    of: "time that a verb waits for edges to acknowledge the fence, milliseconds",
  },
  executeTokenMs: {
    value: 60_000,
    max: 60_000,
    of: "time that a token for one call to a runner elsewhere is good for, milliseconds",
  },
  edgeCredentialMs: {
    value: 15 * 60_000,
    max: 15 * 60_000,
    of: "time that a gateway's credential for a runner elsewhere is good for, milliseconds",
  },
  executeReplays: {
    value: 262_144,
    max: 262_144,
    of: "tokens that a runner remembers as used; over it calls are refused",
  },
  executeHeadBytes: {
    value: 128 * KIB,
    max: 128 * KIB,
    of: "head of a call to a runner elsewhere, bytes",
  },
  executeHeldBytes: {
    value: 256 * MIB,
    max: 256 * MIB,
    of: "request bodies that a runner holds at once, bytes; over it calls are refused",
  },
  apiBodyBytes: { value: MIB, max: MIB, of: "request body of the management API, bytes" },
} as const satisfies Record<string, Bound>;

export interface Bound {
  /** The default. */
  readonly value: number;
  /** What configuration may raise it to. */
  readonly max: number;
  readonly of: string;
}
