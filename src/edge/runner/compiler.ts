import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { quote } from "#trust";
import type { RunnerClass } from "#contract";
import { RunnerProcessError } from "./runner-process-error.ts";

const MAX_COMPONENT_BYTES = 64 * 1_048_576;
const MAX_CODE_BYTES = 256 * 1_048_576;
const MAX_MESSAGE_BYTES = 4_096;
const FINGERPRINT = /^[0-9a-f]{64}$/;
/** The compiler's own exit status for a component that it refuses. */
const EXIT_REFUSED = 2;

interface Finished {
  readonly status: number | null;
  readonly output: Buffer;
  readonly message: string;
  readonly timedOut: boolean;
}

/** The engine fingerprint (64 hex digits) that this compiler builds for. */
export async function readFingerprint(
  executable: string,
  runnerClass: RunnerClass,
  timeoutMs = 10_000,
): Promise<string> {
  const args = ["--class", runnerClass, "--fingerprint"];
  const done = await run(executable, args, new Uint8Array(), 1_024, timeoutMs);
  const text = done.output.toString("latin1").trim();
  if (done.status !== 0 || !FINGERPRINT.test(text))
    throw new RunnerProcessError(
      "compiler.failed",
      `cannot read the compiler's fingerprint: ${quote(done.message)}`,
    );
  return text;
}

/**
 * Compiles one component in a process of its own, which ends with it and is killed after `timeoutMs`.
 * component: attacker-controlled, at most 64 MiB. Throws RunnerProcessError: `component.refused` (reason: the compiler's
 * code), `compiler.timeout`, `compiler.failed`.
 */
export async function compileComponent(
  executable: string,
  runnerClass: RunnerClass,
  component: Uint8Array,
  timeoutMs: number,
): Promise<Uint8Array> {
  if (component.length > MAX_COMPONENT_BYTES)
    throw new RunnerProcessError(
      "component.refused",
      `cannot compile ${component.length} bytes, wanted at most ${MAX_COMPONENT_BYTES}`,
      "component.size",
    );
  const done = await run(
    executable,
    ["--class", runnerClass],
    component,
    MAX_CODE_BYTES,
    timeoutMs,
  );
  if (done.timedOut)
    throw new RunnerProcessError(
      "compiler.timeout",
      `cannot compile the component within ${timeoutMs} ms`,
    );
  if (done.status === 0 && done.output.length > 0) return done.output;
  const reason = /^([a-z-]+\.[a-z-]+): /.exec(done.message)?.[1] ?? "";
  const code = done.status === EXIT_REFUSED ? "component.refused" : "compiler.failed";
  throw new RunnerProcessError(
    code,
    `cannot compile the component: ${quote(done.message, 500)}`,
    reason,
  );
}

function run(
  executable: string,
  args: readonly string[],
  input: Uint8Array,
  maxOutput: number,
  timeoutMs: number,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    // An empty environment: nothing of ours reaches a process that reads foreign bytes.
    const child = spawn(executable, [...args], { stdio: ["pipe", "pipe", "pipe"], env: {} });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    const output = collect(child.stdout, maxOutput, child);
    const message = collect(child.stderr, MAX_MESSAGE_BYTES, child);
    child.stdin?.on("error", () => {}); // a compiler that refuses early closes its input
    child.stdin?.end(input);
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new RunnerProcessError("compiler.failed", "cannot start the compiler", "", { cause }));
    });
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({
        status,
        output: Buffer.concat(output),
        message: Buffer.concat(message).toString("utf8").trim(),
        timedOut,
      });
    });
  });
}

/** Past the bound the process is killed: more output than that is no answer. */
function collect(stream: ChildProcess["stdout"], max: number, child: ChildProcess): Buffer[] {
  const parts: Buffer[] = [];
  let size = 0;
  stream?.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > max) child.kill("SIGKILL");
    else parts.push(chunk);
  });
  return parts;
}
