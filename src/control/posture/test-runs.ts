import { readFileSync, statSync } from "node:fs";
import { formatInstant, ObjectReader, parseStrictJson } from "#trust";

/** Written by `npm test` and `npm run test:teeth` beside the sources that they ran on. */
export const RUN_FILES = {
  tests: "test-results/tests.json",
  teeth: "test-results/teeth.json",
} as const;
const MAX_RUN_BYTES = 4 * 1_048_576;
const MAX_NAMES = 20_000;
/** A longer name is cut when it is written; no test of a claim has one. */
const MAX_NAME = 1_000;

/** A run of the tests, or of the teeth, on one state of the sources. */
export interface TestRun {
  /** Of `sourceDigest`. */
  readonly source: string;
  readonly at: Date;
  /** Names that passed: `file > test` of a test, the id of a claim whose tooth bites. */
  readonly passed: ReadonlySet<string>;
  readonly failed: ReadonlySet<string>;
}

/** Null where there was no run, or its file cannot be read: what is not known to have passed has not. */
export function readTestRun(path: string): TestRun | null {
  try {
    const bytes = readFileSync(path);
    const reader = ObjectReader.of(parseStrictJson(bytes, { maxBytes: MAX_RUN_BYTES }), "run");
    reader.literal("v", 1);
    const names = { max: MAX_NAME, maxItems: MAX_NAMES };
    const run = {
      source: reader.string("source", { pattern: /^[0-9a-f]{64}$/ }),
      at: reader.instant("at"),
      passed: new Set(reader.strings("passed", names)),
      failed: new Set(reader.strings("failed", names)),
    };
    reader.end();
    return run;
  } catch {
    return null;
  }
}

/** The run that a file holds, read again only when the file has changed. */
export class RunFile {
  readonly #path: string;
  #seen = "";
  #run: TestRun | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  read(): TestRun | null {
    const { mtimeMs = 0, size = 0 } = statSync(this.#path, { throwIfNoEntry: false }) ?? {};
    const now = `${mtimeMs} ${size}`;
    if (now !== this.#seen) this.#run = readTestRun(this.#path);
    this.#seen = now;
    return this.#run;
  }
}

/** Adds to what is known of the same sources, so that a part of the tests may be run alone. */
export function mergeRuns(before: TestRun | null, now: TestRun): TestRun {
  if (before?.source !== now.source) return now;
  const without = (names: ReadonlySet<string>, other: ReadonlySet<string>) =>
    [...names].filter((name) => !other.has(name));
  return {
    source: now.source,
    at: now.at,
    passed: new Set([...without(before.passed, now.failed), ...now.passed]),
    failed: new Set([...without(before.failed, now.passed), ...now.failed]),
  };
}

export function runText({ source, at, passed, failed }: TestRun): string {
  const sorted = (names: ReadonlySet<string>) =>
    [...names].map((name) => name.slice(0, MAX_NAME)).toSorted();
  return `${JSON.stringify({ v: 1, source, at: formatInstant(at), passed: sorted(passed), failed: sorted(failed) }, null, 1)}\n`;
}
