import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { limits } from "#contract";
import type { ConfigValues, LogRecord } from "#contract";
import type { LocalCall } from "./local-control.ts";
import { LocalEdge } from "./local-edge.ts";
import { packFolder } from "./pack.ts";
import { readTestFiles } from "./test-file.ts";
import type { Expectation, TestCase } from "./test-file.ts";

/** Records and log lines come in batches, a quarter of a second apart. */
const [RECORD_MS, POLL_MS] = [3_000, 20];
const ANSWER_MS = limits.planDeadlineMs.max + 5_000;
const SHOWN = 200;

export interface CaseResult {
  readonly file: string;
  readonly name: string;
  /** What differs; empty where the case holds. */
  readonly differences: readonly string[];
  /** What the call logged, where the case does not hold. */
  readonly logs: readonly string[];
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  readonly requestId: string;
}

/**
 * Packs a folder as for a release, runs it in this machine's sandbox under the limits of its caisson.json, and makes the
 * calls of `test/*.test.json` one after the other. say: takes remarks on the build; tell: each result as it comes.
 * Throws KitError "test.invalid", "local.failed", "load.refused", and what `packFolder` throws.
 */
export async function runTests(
  folder: string,
  config: ConfigValues,
  say: (text: string) => void,
  tell: (result: CaseResult) => void,
): Promise<readonly CaseResult[]> {
  const cases = await readTestFiles(folder);
  const packed = await packFolder(folder, say);
  const heard = new Heard();
  await using edge = await LocalEdge.start(heard, config);
  await edge.serve(packed);
  const { publisher, name } = packed.config;
  const base = `http://127.0.0.1:${edge.gatewayPort}/api/ext/${publisher}.${name}`;
  const results: CaseResult[] = [];
  for (const one of cases) {
    const result = await runCase(one, base, edge.apiKey, heard);
    tell(result);
    results.push(result);
  }
  return results;
}

async function runCase(
  { file, name, request, expect }: TestCase,
  base: string,
  key: string,
  heard: Heard,
): Promise<CaseResult> {
  const answer = await answerOf(base, key, request);
  const differences = differencesOf(answer, expect);
  if (differences.length === 0 && expect.logs.length === 0)
    return { file, name, differences, logs: [] };
  const logs = await heard.linesOf(answer.requestId);
  for (const wanted of expect.logs)
    if (!logs.some((line) => line.includes(wanted)))
      differences.push(`logs: wanted a line with ${shown(wanted)}`);
  return { file, name, differences, logs: differences.length === 0 ? [] : logs };
}

/** A gateway finds a new sandbox a moment after it runs: what was refused before there was one is asked again. */
async function answerOf(base: string, key: string, request: TestCase["request"]): Promise<Answer> {
  for (const end = Date.now() + RECORD_MS; ; await pause(POLL_MS)) {
    const answer = await callOf(base, key, request);
    if (field(answer.body, "code") !== "runner.lost" || Date.now() > end) return answer;
  }
}

async function callOf(base: string, key: string, request: TestCase["request"]): Promise<Answer> {
  const response = await fetch(base + request.path, {
    method: request.method,
    headers: { ...Object.fromEntries(request.headers), authorization: `Bearer ${key}` },
    body: request.body,
    redirect: "manual",
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: await response.text(),
    requestId: response.headers.get("x-request-id") ?? "",
  };
}

function differencesOf(answer: Answer, expect: Expectation): string[] {
  const { body, status } = answer;
  const found: string[] = [];
  const compare = (what: string, wanted: unknown, got: unknown) => {
    if (!isDeepStrictEqual(wanted, got))
      found.push(`${what}: wanted ${shown(wanted)}, got ${shown(got)}`);
  };
  if (expect.status !== null) compare("status", expect.status, status);
  if (expect.code !== null) compare("code", expect.code, field(body, "code"));
  for (const [name, value] of expect.headers)
    compare(`header ${name}`, value, answer.headers.get(name));
  if (expect.body !== null) compare("body", expect.body, body);
  if (expect.json !== null) compare("json", expect.json.value, parsed(body));
  if (expect.contains !== null && !body.includes(expect.contains))
    found.push(`body: wanted ${shown(expect.contains)} in it, got ${shown(body)}`);
  return found;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function field(body: string, name: string): unknown {
  const value = parsed(body);
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/** What runner and gateway said of calls. */
class Heard {
  readonly #calls = new Map<string, LocalCall>();
  readonly #lines = new Map<string, LogRecord[]>();

  readonly onCall = (call: LocalCall): void => {
    this.#calls.set(call.requestId, call);
  };

  readonly onLog = (record: LogRecord): void => {
    this.#lines.set(record.execution, [...(this.#lines.get(record.execution) ?? []), record]);
  };

  /** All lines that the call's record counts; none for a call that never came to the sandbox. */
  async linesOf(requestId: string): Promise<string[]> {
    for (const end = Date.now() + RECORD_MS; Date.now() < end; await pause(POLL_MS)) {
      const call = this.#calls.get(requestId);
      if (call === undefined) continue;
      const lines = this.#lines.get(call.execution) ?? [];
      if (lines.length < call.logLines) continue;
      return lines
        .toSorted((a, b) => a.seq - b.seq)
        .map(({ level, message }) => `${level} ${message}`);
    }
    return [];
  }
}
