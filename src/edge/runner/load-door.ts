import { CodedError, releaseSigner, verifyRelease } from "#trust";
import type { ReleaseResult, TrustRoot } from "#trust";
import {
  configFor,
  configOverBound,
  EXTENSION_TYPE,
  parseExtensionId,
  readComponentNames,
  unaskedImports,
} from "#contract";
import type { Fence, Grant, Instrument } from "#contract";
import { deny, judgeLoad, verdictOf } from "#policy";
import type { Verdict, VerdictInputs } from "#policy";
import { measuredDigest } from "./artifact-cache.ts";
import type { ArtifactBytes } from "./artifact-cache.ts";
import { measureFiles } from "./measure-files.ts";

export interface LoadQuestion {
  readonly grant: Grant;
  readonly bytes: ArtifactBytes;
  readonly trustRoot: TrustRoot;
  readonly fence: Fence;
  readonly toolchainImports: ReadonlySet<string>;
  readonly now: Date;
}

export interface LoadAnswer {
  readonly verdict: Verdict;
  /** The bytes that were judged; null unless the verdict allows. */
  readonly component: Uint8Array | null;
  /** SPKI digest of the key that signed the release; null unless the verdict allows. */
  readonly signer: string | null;
  /** Of capability `config`, as the guest will see it. */
  readonly values: readonly (readonly [name: string, value: string])[];
  /** Of capability `metrics`. */
  readonly instruments: readonly Instrument[];
}

/** The load door: judges again, from the bytes that this runner will compile, what control judged at publish and install. */
export function openLoadDoor(question: LoadQuestion): LoadAnswer {
  const { grant, now } = question;
  const inputs: VerdictInputs = {
    policy: "default.v1",
    trustRoot: String(question.trustRoot.version),
    checkpoint: null,
    fenceEpoch: question.fence.epoch,
    feeds: {},
  };
  try {
    const { config, component } = measureFiles(question.bytes);
    const release = provenRelease(question);
    const signer = releaseSigner(release);
    const facts = {
      subject: measuredDigest(question.bytes),
      fence: question.fence.hit({ ...grant, signer }),
      config: { ...config, extension: `${config.publisher}.${config.name}`, ...config.limits },
      grant: { ...grant, ...grant.limits },
      unaskedImports: unaskedImports(
        readComponentNames(component).imports,
        config.capabilities,
        question.toolchainImports,
      ),
      release,
      values: {
        declared: config.values,
        given: grant.config,
        overBound: configOverBound(grant.config),
      },
    };
    const verdict = judgeLoad(facts, inputs, now);
    const allowed = verdict.outcome === "allow";
    return {
      verdict,
      component: allowed ? component : null,
      signer: allowed ? signer : null,
      values: grant.capabilities.includes("config") ? configFor(config.values, grant.config) : [],
      instruments: grant.capabilities.includes("metrics") ? config.instruments : [],
    };
  } catch (error) {
    // Whatever cannot be measured is refused: an exception is a denial.
    const code = error instanceof CodedError ? String(error.code) : "artifact.unreadable";
    return {
      verdict: verdictOf("load", grant.contentHash, now, inputs, [
        deny("artifact", code, (error as Error).message),
      ]),
      component: null,
      signer: null,
      values: [],
      instruments: [],
    };
  }
}

function provenRelease({ bytes, grant, trustRoot, now }: LoadQuestion): ReleaseResult {
  const name = parseExtensionId(grant.extension) ?? { publisher: "", name: "" };
  const expected = { ...name, version: grant.version, mediaType: EXTENSION_TYPE };
  const verify = (bundleBytes: Uint8Array | null) =>
    verifyRelease({
      manifestDigest: measuredDigest(bytes),
      bundleBytes,
      trustRoot,
      door: "load",
      now,
      expected,
      requireLog: true,
    });
  const results = bytes.bundles.map(verify);
  return results.find((result) => result.ok) ?? results[0] ?? verify(null);
}
