import { documentTimes, parseDigest, releaseSigner } from "#trust";
import type { ManifestDigest } from "#trust";
import {
  capabilityNames,
  compareVersions,
  configOverBound,
  egressMethods,
  grantHandle,
  limits,
  parseExtensionId,
  parseVersion,
  repositoryOf,
  sealGrant,
  unaskedImports,
} from "#contract";
import type { ConfigValues, EgressRule, ExtensionName, Grant, Version } from "#contract";
import { deny, judgeInstall, verdictOf } from "#policy";
import type { CapabilityTerms, ConfigTerms, Verdict } from "#policy";
import { newId, Turns } from "#platform";
import type { Id } from "#platform";
import type { Tx } from "#store";
import { findManifest } from "./manifest-store.ts";
import { measureArtifact } from "./measured-artifact.ts";
import type { MeasuredArtifact } from "./measured-artifact.ts";
import { verdictInputs } from "./publish-door.ts";
import { RefusedError, RegistryError } from "./registry-error.ts";
import type { RegistryParts } from "./registry-parts.ts";
import { provenRelease } from "./proven-release.ts";
import { recordVerdict, tellVerdict } from "./verdict-store.ts";

const GRANT_VALID_MS = 365 * 24 * 3_600_000;

export interface InstallRequest {
  readonly extension: string;
  readonly version?: string;
  readonly capabilities?: readonly string[];
  /** Origins of `http.fetch` to grant; all that are asked for unless told. */
  readonly egress?: readonly string[];
  /** Values of config to set; what is set now is kept unless told. */
  readonly config?: ConfigValues;
  readonly memoryBytes?: number;
  readonly deadlineMs?: number;
  readonly fuel?: number;
  readonly rollback?: boolean;
}

/** One install per tenant and extension. `current` is the install there is; its grant is the one that serves, null while nothing does. */
interface Situation {
  readonly name: ExtensionName;
  readonly version: Version;
  readonly state: string;
  readonly digest: ManifestDigest;
  readonly current: { readonly install: string; readonly grant: Grant | null } | null;
}

/** The install door. Throws RegistryError "artifact.unknown"; RefusedError "install.refused" with the verdict. */
export function installExtension(
  parts: RegistryParts,
  tenant: Id<"tenant">,
  request: InstallRequest,
  by: string,
): Promise<{ verdict: Verdict; verdictId: string }> {
  return turns.take(`${tenant} ${request.extension}`, () =>
    installInTurn(parts, tenant, request, by),
  );
}

const turns = new Turns();

async function installInTurn(
  parts: RegistryParts,
  tenant: Id<"tenant">,
  request: InstallRequest,
  by: string,
): Promise<{ verdict: Verdict; verdictId: string }> {
  const situation = await findSituation(parts, tenant, request);
  const { verdict, artifact } = await judge(parts, tenant, situation, request);
  const { extension } = request;
  await tellVerdict(parts, verdict, { by, tenant, extension, version: situation.version });
  if (verdict.outcome !== "allow" || artifact === null) {
    await parts.store.asSystem((tx) => recordVerdict(tx, verdict, parts.keys.verdict, tenant));
    throw new RefusedError(
      "install.refused",
      `cannot install ${request.extension}@${situation.version}: the install door refused it`,
      verdict,
    );
  }
  const verdictId = await parts.store.asSystem(async (tx) => {
    const id = await recordVerdict(tx, verdict, parts.keys.verdict, tenant);
    const terms = {
      ...termsOf(artifact, request),
      config: givenValues(artifact, situation, request),
    };
    await writeGrant(tx, parts, tenant, situation, terms, id);
    return id;
  });
  return { verdict, verdictId };
}

async function findSituation(
  parts: RegistryParts,
  tenant: Id<"tenant">,
  request: InstallRequest,
): Promise<Situation> {
  const name = parseExtensionId(request.extension);
  if (name === null) throw new RegistryError("artifact.unknown", "cannot find that extension");
  return parts.store.asSystem(async (tx) => {
    const rows = await tx
      .selectFrom("artifact")
      .select(["content_hash", "version", "state"])
      .where("extension_id", "=", request.extension)
      .execute();
    const known = rows.flatMap((row) => {
      const version = parseVersion(row.version);
      return version === null ? [] : [{ ...row, version }];
    });
    const sorted = known.toSorted((a, b) => compareVersions(a.version, b.version));
    const chosen =
      request.version === undefined
        ? sorted.findLast((row) => row.state === "admitted")
        : sorted.find((row) => row.version === request.version);
    if (chosen === undefined)
      throw new RegistryError(
        "artifact.unknown",
        `cannot find ${request.extension}${request.version === undefined ? "" : `@${request.version}`}`,
      );
    return {
      name,
      version: chosen.version,
      state: chosen.state,
      digest: parseDigest("manifest", chosen.content_hash),
      current: await currentGrant(tx, parts, tenant, request.extension),
    };
  });
}

async function currentGrant(
  tx: Tx,
  parts: RegistryParts,
  tenant: string,
  extension: string,
): Promise<Situation["current"]> {
  const row = await tx
    .selectFrom("install")
    .leftJoin("install_grant", (join) =>
      join
        .onRef("install_grant.tenant_id", "=", "install.tenant_id")
        .onRef("install_grant.id", "=", "install.grant_id"),
    )
    .select(["install.id as install", "install_grant.document"])
    .where("install.tenant_id", "=", tenant)
    .where("install.extension_id", "=", extension)
    .where("install.state", "!=", "removed")
    .executeTakeFirst();
  if (row === undefined) return null;
  if (row.document === null) return { install: row.install, grant: null };
  const { body } = parts.grants.open(row.document, parts.clock.now());
  return { install: row.install, grant: body };
}

async function judge(
  parts: RegistryParts,
  tenant: Id<"tenant">,
  situation: Situation,
  request: InstallRequest,
): Promise<{ verdict: Verdict; artifact: MeasuredArtifact | null }> {
  const now = parts.clock.now();
  const inputs = verdictInputs(parts);
  try {
    const repository = repositoryOf(situation.name);
    const manifest = await findManifest(parts.store, repository, situation.digest);
    const artifact = await measureArtifact(parts.blobs, manifest?.bytes ?? new Uint8Array());
    if (artifact.digest !== situation.digest)
      throw new RegistryError("digest.mismatch", `the stored manifest is not ${situation.digest}`);
    const installed = situation.current?.grant ?? null;
    const release = await provenRelease(parts, situation, "install", now);
    const facts = {
      subject: situation.digest,
      fence: parts.fences.current.hit({
        tenant,
        install: situation.current?.install ?? "",
        extension: request.extension,
        contentHash: situation.digest,
        signer: releaseSigner(release),
      }),
      state: situation.state,
      version: situation.version,
      unaskedImports: unaskedImports(
        artifact.names.imports,
        artifact.config.capabilities,
        parts.toolchainImports,
      ),
      release,
      requested: {
        capabilities: artifact.config.capabilities,
        egress: artifact.config.egress,
        ...artifact.config.limits,
      },
      granted: termsOf(artifact, request),
      config: configTerms(artifact, situation, request),
      installed:
        installed === null
          ? null
          : {
              version: installed.version,
              capabilities: installed.capabilities,
              egress: installed.egress,
              config: installed.config,
              isNewer: compareVersions(installed.version, situation.version) > 0,
            },
      rollback: request.rollback === true,
    };
    return { verdict: judgeInstall(facts, inputs, now), artifact };
  } catch (error) {
    // Whatever cannot be measured is refused: an exception is a denial.
    const code =
      error instanceof Error && "code" in error ? String(error.code) : "artifact.unreadable";
    return {
      verdict: verdictOf("install", situation.digest, now, inputs, [
        deny("artifact", code, (error as Error).message),
      ]),
      artifact: null,
    };
  }
}

function termsOf(artifact: MeasuredArtifact, request: InstallRequest): CapabilityTerms {
  const { limits: asked } = artifact.config;
  const capabilities = request.capabilities ?? artifact.config.capabilities;
  return {
    capabilities,
    egress: capabilities.includes("http.fetch") ? egressTerms(artifact, request) : [],
    memoryBytes: request.memoryBytes ?? asked.memoryBytes,
    deadlineMs: request.deadlineMs ?? asked.deadlineMs,
    fuel: request.fuel ?? asked.fuel,
  };
}

/** Without a word on it, what the install has now of what this version still declares. */
function givenValues(
  { config }: MeasuredArtifact,
  { current }: Situation,
  request: InstallRequest,
): ConfigValues {
  if (request.config !== undefined) return request.config;
  const kept = Object.entries(current?.grant?.config ?? {}).filter(([name]) =>
    config.values.some((declared) => declared.name === name),
  );
  return Object.fromEntries(kept);
}

function configTerms(
  artifact: MeasuredArtifact,
  situation: Situation,
  request: InstallRequest,
): ConfigTerms {
  const given = givenValues(artifact, situation, request);
  return { declared: artifact.config.values, given, overBound: configOverBound(given) };
}

/** An origin that is not asked for becomes a term of its own, for the judge to refuse. */
function egressTerms(
  { config }: MeasuredArtifact,
  { egress }: InstallRequest,
): readonly EgressRule[] {
  if (egress === undefined) return config.egress;
  return egress.map(
    (origin) =>
      config.egress.find((rule) => rule.origin === origin) ?? { origin, methods: egressMethods },
  );
}

async function writeGrant(
  tx: Tx,
  parts: RegistryParts,
  tenant: Id<"tenant">,
  situation: Situation,
  terms: CapabilityTerms & { readonly config: ConfigValues },
  verdictId: string,
): Promise<void> {
  const now = parts.clock.now();
  const install = situation.current?.install ?? newId("install");
  const grant: Grant = {
    tenant,
    install,
    extension: `${situation.name.publisher}.${situation.name.name}`,
    version: situation.version,
    contentHash: situation.digest,
    capabilities: capabilityNames.filter((name) => terms.capabilities.includes(name)),
    egress: terms.egress,
    config: terms.config,
    limits: {
      memoryBytes: terms.memoryBytes,
      deadlineMs: terms.deadlineMs,
      fuel: terms.fuel,
      responseBytes: limits.bodyBytes.value,
      logBytes: limits.logBytes.value,
      logLines: limits.logLines.value,
      concurrency: limits.installConcurrency.value,
    },
    trustClass: "shared",
    epoch: now.getTime(),
  };
  const document = sealGrant(
    grant,
    documentTimes(now, new Date(now.getTime() + GRANT_VALID_MS)),
    parts.keys.state,
  );
  const handle = grantHandle(parts.grants.open(document, now));
  const id = newId("grant");
  if (situation.current === null)
    await tx
      .insertInto("install")
      .values({
        tenant_id: tenant,
        id: install,
        extension_id: grant.extension,
        state: "building",
        grant_id: null,
        created_at: now,
        updated_at: now,
      })
      .execute();
  // A newer request takes the place of one that is still being built.
  await tx
    .updateTable("install_grant")
    .set({ state: "superseded" })
    .where("tenant_id", "=", tenant)
    .where("install_id", "=", install)
    .where("state", "=", "building")
    .execute();
  await tx
    .insertInto("install_grant")
    .values({
      tenant_id: tenant,
      id,
      install_id: install,
      content_hash: situation.digest,
      handle: Buffer.from(handle),
      document: Buffer.from(document),
      verdict_id: verdictId,
      state: "building",
      failure: null,
      created_at: now,
    })
    .execute();
}
