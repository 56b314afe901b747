import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { CodedError, quote } from "#trust";
import { capabilityBits, limits, parseSamples, tenantKey } from "#contract";
import type { ExtensionConfig, Samples, TrialAnswer, TrialQuestion } from "#contract";
import { measuredDigest } from "./artifact-cache.ts";
import type { ArtifactCache } from "./artifact-cache.ts";
import { codeOf } from "./component-code.ts";
import type { CodeParts } from "./component-code.ts";
import { measureFiles } from "./measure-files.ts";
import type { SandboxProcess } from "./sandbox-process.ts";

/** Clocks of guests are coarse: two instances this far apart see different times. */
const APART_MS = 50;
const VALID_MS = 600_000;

class TrialError extends CodedError<"trial.sandbox" | "trial.digest"> {
  override readonly name = "TrialError";
}

export interface TrialParts extends CodeParts {
  readonly artifacts: Pick<ArtifactCache, "fetch">;
  readonly sandbox: () => SandboxProcess | null;
  /** Has one fresh instance under the handle asked for its samples; null: its answer is none. Throws where the call does not end well. */
  readonly ask: (sandbox: SandboxProcess, handle: Uint8Array) => Promise<Uint8Array | null>;
}

/**
 * Runs two fresh instances of an artifact that waits for admission and tells what each drew. They run under the limits of the
 * extension and with a handle that no grant stands behind: whatever they ask of the world outside is denied.
 */
export async function tryInstances(
  parts: TrialParts,
  question: TrialQuestion,
): Promise<TrialAnswer> {
  try {
    return { samples: await samplePair(parts, question), failure: null };
  } catch (error) {
    const failure = error instanceof CodedError ? `${String(error.code)}: ${error.message}` : "";
    return { samples: [null, null], failure: failure || quote(String(error), 500) };
  }
}

async function samplePair(
  parts: TrialParts,
  { name, contentHash }: TrialQuestion,
): Promise<readonly [Samples | null, Samples | null]> {
  const bytes = await parts.artifacts.fetch(name, contentHash);
  if (measuredDigest(bytes) !== contentHash)
    throw new TrialError("trial.digest", `the bytes are not those of ${contentHash}`);
  const { config, component } = measureFiles(bytes);
  const code = await codeOf(parts, component);
  const sandbox = parts.sandbox();
  if (sandbox === null) throw new TrialError("trial.sandbox", "there is no sandbox now");
  const load = await sandbox.load(code);
  try {
    const handle = randomBytes(16);
    await grantTrial(sandbox, load.id, handle, config);
    const first = await sampleOf(parts, sandbox, handle);
    await pause(APART_MS);
    return [first, await sampleOf(parts, sandbox, handle)];
  } finally {
    await sandbox.unload(load);
  }
}

async function sampleOf(
  { ask }: TrialParts,
  sandbox: SandboxProcess,
  handle: Uint8Array,
): Promise<Samples | null> {
  const bytes = await ask(sandbox, handle);
  return bytes === null ? null : parseSamples(bytes);
}

function grantTrial(
  sandbox: SandboxProcess,
  load: number,
  handle: Uint8Array,
  config: ExtensionConfig,
): Promise<void> {
  return sandbox.grant({
    handle,
    tenant: tenantKey("trial"),
    load,
    capabilities: config.capabilities.reduce((bits, name) => bits | capabilityBits[name], 0),
    ...config.limits,
    fuel: 0,
    requestBytes: 0,
    responseBytes: limits.bodyBytes.value,
    logBytes: 0,
    logLines: 0,
    concurrency: 1,
    capabilityCalls: limits.capabilityCalls.value,
    egressRequests: 0,
    egressInBytes: 0,
    egressOutBytes: 0,
    expiresMs: Date.now() + VALID_MS,
    config: [],
  });
}
