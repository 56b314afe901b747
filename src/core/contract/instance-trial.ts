import { ObjectReader, parseDigest, parseStrictJson } from "#trust";
import type { JsonValue, ManifestDigest } from "#trust";
import { NAME_PATTERN } from "./names.ts";
import type { ExtensionName } from "./names.ts";

/** The method with which a runner asks an instance for its samples. No endpoint can name it, so no caller reaches it. */
export const SAMPLE_METHOD = "CAISSON-SAMPLE";
/** Type of the answer; any other answer is that of a handler which knows nothing of samples. */
export const SAMPLE_TYPE = "application/vnd.caisson.sample.v1+json";
export const MAX_SAMPLE_BYTES = 4_096;
const MAX_SAMPLES = 16;
const NAME = /^[a-z]{1,32}$/;
const MAX_VALUE = 128;

/** What one fresh instance drew, by source: `random`, `uuid`, `bytes`, `time` and whatever else its toolchain draws from. */
export type Samples = Readonly<Record<string, string>>;

/** Two instances of one artifact, one after the other; null: that instance gave no samples. */
export interface TrialAnswer {
  readonly samples: readonly [Samples | null, Samples | null];
  /** Why there is nothing to compare: it could not be built, loaded or called. Null: both calls ended well. */
  readonly failure: string | null;
}

export interface TrialQuestion {
  readonly id: string;
  readonly name: ExtensionName;
  readonly contentHash: ManifestDigest;
}

/** Texts that a toolchain leaves in a component whose engine was started, and frozen, when the component was made. */
const FROZEN_ENGINES = [
  { engine: "QuickJS", mark: "componentize-qjs" },
  { engine: "StarlingMonkey", mark: "StarlingMonkey" },
  { engine: "SpiderMonkey", mark: "SpiderMonkey" },
] as const;

/** The engine whose state a snapshot froze into the component, and its generator with it; null where none is known. component: attacker-controlled. */
export function frozenEngine(component: Uint8Array): string | null {
  const bytes = Buffer.from(component.buffer, component.byteOffset, component.length);
  return FROZEN_ENGINES.find(({ mark }) => bytes.includes(mark))?.engine ?? null;
}

/** bytes: attacker-controlled. Null for what is no list of samples. */
export function parseSamples(bytes: Uint8Array): Samples | null {
  try {
    return samplesOf(parseStrictJson(bytes, { maxBytes: MAX_SAMPLE_BYTES }));
  } catch {
    return null;
  }
}

function samplesOf(value: JsonValue): Samples | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const entries = Object.entries(value);
  if (entries.length === 0 || entries.length > MAX_SAMPLES) return null;
  const samples: Record<string, string> = {};
  for (const [name, text] of entries) {
    if (!NAME.test(name) || typeof text !== "string" || text.length > MAX_VALUE) return null;
    samples[name] = text;
  }
  return samples;
}

export function trialQuestionLine({ id, name, contentHash }: TrialQuestion): object {
  return { kind: "trial", id, ...name, contentHash };
}

/** The rest of a line of kind `trial`. Throws what ObjectReader throws. */
export function readTrialQuestion(line: ObjectReader): TrialQuestion {
  const question = {
    id: line.string("id", { max: 64 }),
    name: {
      publisher: line.string("publisher", { pattern: NAME_PATTERN }),
      name: line.string("name", { pattern: NAME_PATTERN }),
    },
    contentHash: parseDigest("manifest", line.string("contentHash", { max: 71 })),
  };
  line.end();
  return question;
}

export function trialAnswerText(id: string, { samples, failure }: TrialAnswer): string {
  return JSON.stringify({
    id,
    first: samples[0],
    second: samples[1],
    ...(failure === null ? {} : { failure: failure.slice(0, 2_000) }),
  });
}

/** bytes: of an edge, so of what guests say. */
export function parseTrialAnswer(bytes: Uint8Array): { readonly id: string } & TrialAnswer {
  const reader = ObjectReader.of(parseStrictJson(bytes, { maxBytes: 65_536 }), "trial");
  const answer = {
    id: reader.string("id", { max: 64 }),
    samples: [samplesOf(reader.value("first")), samplesOf(reader.value("second"))],
    failure: reader.optionalString("failure", { max: 2_000 }) ?? null,
  } as const;
  reader.end();
  return answer;
}
