import { execFileSync, spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { begins, INTERRUPT, readTour, shows } from "./tour-script.ts";
import type { TourStep } from "./tour-script.ts";

const CLONE = fileURLToPath(new URL("..", import.meta.url));
const README_PORT = 8_700;
const STEP_MS = 120_000;
const STOP_MS = 40_000;
/** The first start may build the native executables. */
const START_MS = 40 * 60_000;
const HELP = `npm run tour [-- --port N] [--show]
types the README's commands in a scratch clone of the last commit and compares what they print with what it shows
  --port N   where control listens (8700); the README's ports move with it
  --show     print what each command prints
`;

/** One shell for all commands, as a reader has one: what one sets, the next one has. The commands are the README's own. */
class Shell implements Disposable {
  readonly #bash: ChildProcessWithoutNullStreams;
  #output = "";

  constructor(folder: string, env: Readonly<Record<string, string | undefined>>) {
    this.#bash = spawn("bash", ["--noprofile", "--norc"], { cwd: folder, env, detached: true });
    for (const stream of [this.#bash.stdout, this.#bash.stderr])
      stream.setEncoding("utf8").on("data", (chunk: string) => (this.#output += chunk));
  }

  /** What the command prints on both of its outputs, until it is over. */
  async run(command: string): Promise<string> {
    const mark = randomUUID();
    const from = this.#output.length;
    this.#bash.stdin.write(`{ ${command}\n} 2>&1; printf '%s\\n' ${mark}\n`);
    const text = await this.#until(from, (output) => output.endsWith(`${mark}\n`));
    return text.slice(0, -mark.length - 1);
  }

  async #until(from: number, done: (output: string) => boolean): Promise<string> {
    await until(STEP_MS, () => done(this.#output.slice(from)));
    return this.#output.slice(from);
  }

  [Symbol.dispose](): void {
    signal(this.#bash, "SIGKILL");
  }
}

/** What goes on beside the shell, as in a terminal of its own. */
class Service implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #gone: Promise<unknown>;
  #output = "";

  constructor(command: string, folder: string, env: Readonly<Record<string, string | undefined>>) {
    this.#child = spawn("bash", ["-c", command], { cwd: folder, env, detached: true });
    this.#gone = new Promise((resolve) => this.#child.once("close", resolve));
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding("utf8").on("data", (chunk: string) => (this.#output += chunk));
  }

  /** What it printed until that begins as expected, or it ended. */
  async started(expected: readonly string[]): Promise<string> {
    await until(START_MS, () => begins(expected, this.#output) || this.#child.exitCode !== null);
    return this.#output;
  }

  /** As Ctrl-C does; what it prints from then on, its log lines aside. */
  async interrupted(): Promise<string> {
    const from = this.#output.length;
    signal(this.#child, "SIGINT");
    await this.#gone;
    return this.#output.slice(from).replaceAll(/^\{.*\n/gm, "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) signal(this.#child, "SIGTERM");
    await Promise.race([this.#gone, new Promise((resolve) => setTimeout(resolve, STOP_MS, null))]);
    signal(this.#child, "SIGKILL");
  }
}

/** To the whole group, as a terminal sends it. */
function signal(child: ChildProcessWithoutNullStreams, name: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid ?? 0), name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function until(withinMs: number, done: () => boolean): Promise<void> {
  for (const end = Date.now() + withinMs; Date.now() < end && !done();)
    await new Promise((resolve) => setTimeout(resolve, 50));
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    process.stdout.write(HELP);
    return 0;
  }
  const at = args.indexOf("--port");
  const port = at < 0 ? README_PORT : Number(args[at + 1]);
  const folder = mkdtempSync(join(tmpdir(), "caisson-tour-"));
  try {
    const clone = join(folder, "caisson");
    execFileSync("git", ["clone", "--quiet", "--no-hardlinks", CLONE, clone]);
    const steps = readTour(readFileSync(join(clone, "README.md"), "utf8")).map((step) =>
      moved(step, port),
    );
    return await walk(clone, steps, port, args.includes("--show"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function walk(
  clone: string,
  steps: readonly TourStep[],
  port: number,
  show: boolean,
): Promise<number> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("CAISSON_"));
  const env = {
    ...Object.fromEntries(own),
    CAISSON_PORT: String(port),
    CAISSON_PROFILE: join(clone, "no-profile"),
  };
  using shell = new Shell(clone, env);
  await using service = new Service(START, clone, env);
  let differing = 0;
  for (const [i, { command, expected }] of steps.entries()) {
    const output = await typed(command, expected, { shell, service });
    const same = command === START ? begins(expected, output) : shows(expected, output);
    process.stdout.write(`${same ? "ok " : "NO "} ${i + 1}/${steps.length} ${command}\n`);
    if (!same)
      process.stdout.write(
        `--- the README shows\n${expected.join("\n")}\n--- it prints\n${output}---\n`,
      );
    else if (show) process.stdout.write(output);
    if (!same) differing += 1;
    if (!same && command === START) break; // nothing after it can work
  }
  process.stdout.write(
    `${steps.length - differing} of ${steps.length} commands print what the README shows\n`,
  );
  return differing === 0 && steps[0]?.command === START ? 0 : 1;
}

const START = "npm start";

function typed(
  command: string,
  expected: readonly string[],
  { shell, service }: { readonly shell: Shell; readonly service: Service },
): Promise<string> {
  if (command === START) return service.started(expected);
  return command === INTERRUPT ? service.interrupted() : shell.run(command);
}

/** The README's ports 8700 to 8799, moved to where this tour listens. */
function moved({ command, expected }: TourStep, port: number): TourStep {
  const move = (text: string) =>
    text.replaceAll(/\b87(\d\d)\b/g, (_all, low: string) => String(port + Number(low)));
  return { command: move(command), expected: expected.map(move) };
}

process.exitCode = await main(process.argv.slice(2));
