import {
  canonicalJson,
  checkInclusion,
  digestOf,
  equalBytes,
  leafHash,
  ObjectReader,
  openCheckpoint,
  openDocument,
  openEnvelope,
  parseDigest,
  parseEnvelope,
  parseStrictJson,
  parseTrustRootBody,
  quote,
  sha256,
  trustRootOf,
  verifyRelease,
} from "#trust";
import type { NoteVerifier, PublicKey, ReleaseResult, TrustRoot } from "#trust";
import {
  configOverBound,
  EXTENSION_TYPE,
  openGrant,
  parseArtifactManifest,
  parseExtensionConfig,
  readComponentNames,
  unaskedImports,
} from "#contract";
import type {
  ArtifactEvidence,
  AuditEvidence,
  Evidence,
  ExtensionConfig,
  VerdictEvidence,
} from "#contract";
import { combine, judgeConfig, judgeGrantWidth, judgeImports, releaseReason } from "#policy";
import type { Reason, Verdict } from "#policy";

/** What the verifier brings: keys that it has from the operator, never from the evidence. */
export interface Pins {
  readonly trustRootKey: PublicKey;
  readonly verdictKey: PublicKey;
  readonly stateKey: PublicKey;
  readonly auditLog: NoteVerifier;
}

/** proven: a signature or digest shows it; replayed: judged again here; stated: control says it, nothing here shows it. */
export interface ReplayLine {
  readonly how: "proven" | "replayed" | "stated";
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

const PAYLOAD_TYPE = "application/vnd.caisson.verdict.v1+json";
const MAX_VERDICT_BYTES = 1_048_576;
/** Steps that only control can judge: they rest on its database and its clock. */
const STATED_STEPS: readonly string[] = [
  "fence",
  "state",
  "direction",
  "capabilities",
  "tag",
  "version",
];

/** Judges again what the evidence holds, with nothing but the evidence and the pins. Every line must be ok. */
export function replayEvidence(
  evidence: Evidence,
  pins: Pins,
  toolchain: ReadonlySet<string>,
): ReplayLine[] {
  const lines = new Lines();
  if (evidence.verdicts.length === 0)
    lines.try("proven", "verdict", () => fail("the evidence holds no verdict"));
  const measured = evidence.artifact === null ? null : measure(lines, evidence.artifact);
  const judged = evidence.verdicts.flatMap(
    (one) => replayVerdict(lines, one, evidence, { pins, toolchain, measured }) ?? [],
  );
  replayChain(lines, judged, evidence);
  return lines.all;
}

interface Measured {
  readonly digest: string;
  readonly config: ExtensionConfig;
  readonly imports: readonly string[];
}

interface Context {
  readonly pins: Pins;
  readonly toolchain: ReadonlySet<string>;
  readonly measured: Measured | null;
}

/** Every part of the artifact from its own bytes, as a door measures it. */
function measure(lines: Lines, artifact: ArtifactEvidence): Measured | null {
  return lines.try(
    "proven",
    "artifact",
    () => {
      const manifest = parseArtifactManifest(artifact.manifest);
      if (digestOf("file", artifact.config) !== manifest.config.digest)
        fail("the config is not the manifest's");
      const config = parseExtensionConfig(artifact.config);
      const layer = manifest.layers.find((file) => file.path === config.component);
      if (layer === undefined || digestOf("file", artifact.component) !== layer.digest)
        fail("the component is not the manifest's");
      const { imports } = readComponentNames(artifact.component);
      return { digest: digestOf("manifest", artifact.manifest), config, imports };
    },
    (measured) =>
      `${measured.config.publisher}.${measured.config.name}@${measured.config.version} ${measured.digest}`,
  );
}

function replayVerdict(
  lines: Lines,
  { document, audit, trustRoot }: VerdictEvidence,
  evidence: Evidence,
  context: Context,
): Verdict | null {
  const verdict = lines.try(
    "proven",
    "verdict",
    () => openVerdict(document, context.pins.verdictKey),
    ({ door, outcome, subject, at }) =>
      `${door} ${outcome} ${subject} at ${at}, signed by the verdict key`,
  );
  if (verdict === null) return null;
  const id = digestOf("document", canonicalPayload(document));
  lines.try(
    "proven",
    `${verdict.door} audit`,
    () => checkAudit(audit, verdict, id, context.pins.auditLog),
    (text) => text,
  );
  const root = lines.try(
    "proven",
    `${verdict.door} trust root`,
    () => openTrustRoot(trustRoot, verdict, context.pins.trustRootKey),
    ({ version }) => `version ${version}, the one that the verdict names`,
  );
  if (root !== null) replayReasons(lines, verdict, root, evidence, context);
  return verdict;
}

function openVerdict(document: Uint8Array, key: PublicKey): Verdict {
  const payload = canonicalPayload(document);
  openEnvelope(parseEnvelope(document, { maxBytes: MAX_VERDICT_BYTES }), PAYLOAD_TYPE, [key]);
  const reader = ObjectReader.of(
    parseStrictJson(payload, { maxBytes: MAX_VERDICT_BYTES }),
    "verdict",
  );
  reader.literal("v", 1);
  const verdict = JSON.parse(new TextDecoder().decode(payload)) as Verdict; // signed by control, which wrote it by its type
  if (verdict.outcome !== combine(verdict.reasons)) fail("its outcome is not that of its reasons");
  return verdict;
}

function canonicalPayload(document: Uint8Array): Uint8Array {
  const { payload } = parseEnvelope(document, { maxBytes: MAX_VERDICT_BYTES });
  const canonical = canonicalJson(parseStrictJson(payload, { maxBytes: MAX_VERDICT_BYTES }));
  return equalBytes(canonical, payload) ? payload : fail("its payload is not RFC 8785 JSON");
}

/** interfaces §2, audit leaf: SHA-256(salt ‖ record) is an entry of the log, and the record says just this verdict. */
function checkAudit(audit: AuditEvidence, verdict: Verdict, id: string, log: NoteVerifier): string {
  const { size, root } = openCheckpoint(audit.checkpoint, log);
  const leaf = leafHash(sha256(audit.salt, audit.record));
  checkInclusion(leaf, BigInt(audit.index), size, audit.proof, root);
  const record = ObjectReader.of(
    parseStrictJson(audit.record, { maxBytes: MAX_VERDICT_BYTES }),
    "record",
  );
  const said = `${record.string("kind")} ${record.string("subject")} ${record.string("detail")}`;
  const wanted = `verdict ${verdict.subject} ${verdict.door} ${verdict.outcome} ${id}`;
  if (said !== wanted)
    fail(`the audit record says ${quote(said, 200)}, wanted ${quote(wanted, 200)}`);
  return `entry ${audit.index} of ${size} in ${log.name}`;
}

function openTrustRoot(document: Uint8Array, verdict: Verdict, key: PublicKey): TrustRoot {
  if (digestOf("document", document) !== verdict.inputs.trustRoot)
    fail("it is not the one that the verdict names");
  const opened = openDocument(
    "trust-root",
    document,
    [key],
    new Date(verdict.at),
    parseTrustRootBody,
  );
  return trustRootOf(opened.body);
}

/** Each step that can be judged from the evidence is, at the verdict's own time; the outcome of each must be the same. */
function replayReasons(
  lines: Lines,
  verdict: Verdict,
  root: TrustRoot,
  evidence: Evidence,
  context: Context,
): void {
  const { measured } = context;
  if (evidence.artifact === null || measured === null) {
    const all = verdict.reasons.map(({ step, code }) => `${step} ${code}`).join(", ");
    if (verdict.outcome === "allow")
      lines.try("replayed", verdict.door, () => fail("an admission without its artifact"));
    else
      lines.add(
        "stated",
        `${verdict.door} reasons`,
        `the refused bytes are not in the evidence: ${all}`,
      );
    return;
  }
  lines.try(
    "proven",
    `${verdict.door} subject`,
    () =>
      measured.digest === verdict.subject
        ? measured.digest
        : fail(`the verdict is about ${verdict.subject}, the artifact is ${measured.digest}`),
    (text) => text,
  );
  const release = releaseAgain(verdict, root, evidence.artifact, measured);
  const again: readonly Reason[] = [
    judgeImports({
      unaskedImports: unaskedImports(
        measured.imports,
        measured.config.capabilities,
        context.toolchain,
      ),
    }),
    releaseReason(release),
    ...widthAgain(lines, verdict, evidence, context),
  ];
  for (const reason of again) compare(lines, verdict, reason);
  for (const { step, code, outcome, detail } of verdict.reasons)
    if (STATED_STEPS.includes(step))
      lines.add("stated", `${verdict.door} ${step}`, `${outcome} ${code}: ${detail}`);
}

function releaseAgain(
  verdict: Verdict,
  trustRoot: TrustRoot,
  { bundle }: ArtifactEvidence,
  { config }: Measured,
): ReleaseResult {
  const { publisher, name, version } = config;
  return verifyRelease({
    manifestDigest: parseDigest("manifest", verdict.subject),
    bundleBytes: bundle,
    trustRoot,
    door: verdict.door,
    now: new Date(verdict.at),
    expected: { publisher, name, version, mediaType: EXTENSION_TYPE },
    // The publish door saw the bundle before it was logged; the completed one holds the same signature and its entry.
    requireLog: verdict.door !== "publish",
  });
}

/** The grant that the install verdict led to, within what the signed config asks. */
function widthAgain(
  lines: Lines,
  verdict: Verdict,
  { grant }: Evidence,
  { pins, measured }: Context,
): Reason[] {
  if (verdict.door !== "install" || measured === null || grant === null) return [];
  const opened = lines.try(
    "proven",
    "grant",
    () => {
      const { body, issuedAt } = openGrant(grant, pins.stateKey, new Date(verdict.at));
      if (body.contentHash !== verdict.subject) fail(`the grant is for ${body.contentHash}`);
      return { body, issuedAt };
    },
    ({ body }) =>
      `${body.capabilities.join(", ") || "no capability"} for install ${body.install}, signed by the state key`,
  );
  if (opened === null) return [];
  const { capabilities, egress, limits, values } = measured.config;
  const { config: given } = opened.body;
  const granted = { ...opened.body, ...opened.body.limits };
  const config = judgeConfig({ declared: values, given, overBound: configOverBound(given) });
  // A verdict of before there was config says nothing of it, and need not where there is none.
  const isAsked = values.length > 0 || Object.keys(given).length > 0;
  return [
    judgeGrantWidth({ requested: { capabilities, egress, ...limits }, granted }),
    ...(isAsked ? [config] : []),
  ];
}

function compare(lines: Lines, verdict: Verdict, again: Reason): void {
  lines.try(
    "replayed",
    `${verdict.door} ${again.step}`,
    () => {
      const said = verdict.reasons.find(({ step }) => step === again.step);
      if (said === undefined) fail("the verdict does not say it");
      if (said.outcome !== again.outcome || said.code !== again.code)
        fail(
          `the verdict says ${said.outcome} ${said.code}, judged again it is ${again.outcome} ${again.code}`,
        );
      return `${again.outcome} ${again.code}`;
    },
    (text) => text,
  );
}

/** What the pieces say of each other: the call of the install, the install of the publication. */
function replayChain(
  lines: Lines,
  verdicts: readonly Verdict[],
  { execution, verdicts: given }: Evidence,
): void {
  const [first, second] = verdicts;
  if (first === undefined || verdicts.length !== given.length) return;
  if (second !== undefined)
    lines.try(
      "proven",
      "chain",
      () =>
        second.subject === first.subject && second.door === "publish" && second.outcome === "allow"
          ? "what was installed is what was published"
          : fail("the second verdict does not admit what the first is about"),
      (text) => text,
    );
  if (execution === null) return;
  lines.try(
    "proven",
    "call",
    () =>
      execution.contentHash === first.subject
        ? `request ${execution.requestId} names the bytes of the verdict`
        : fail("the call names other bytes than the verdict"),
    (text) => text,
  );
  const { outcome, code, status, openedAt } = execution;
  lines.add("stated", "call", `${outcome} ${code} ${status} at ${openedAt}; no receipt signs it`);
}

class Lines {
  readonly all: ReplayLine[] = [];

  add(how: ReplayLine["how"], what: string, detail: string): void {
    this.all.push({ how, what, ok: true, detail });
  }

  /** What `check` throws makes the line a failure, and the result null. */
  try<T>(
    how: ReplayLine["how"],
    what: string,
    check: () => T,
    say: (value: T) => string = String,
  ): T | null {
    try {
      const value = check();
      this.add(how, what, say(value));
      return value;
    } catch (error) {
      this.all.push({ how, what, ok: false, detail: (error as Error).message });
      return null;
    }
  }
}

function fail(why: string): never {
  throw new Error(why);
}
