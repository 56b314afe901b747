import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nativePaths } from "../../scripts/native.mjs";
import { childrenOf } from "./children.ts";
import { freePorts } from "./free-ports.ts";
import { until } from "./until.ts";

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

interface Started extends AsyncDisposable {
  readonly data: string;
  readonly port: number;
  readonly child: ChildProcess;
  output(): string;
  exit(): Promise<number | null>;
}

/** Starts the supervisor as `npm start` does; uid: another user's, where we are root. */
function start(
  data: string,
  port: number,
  options: { readonly uid?: number; readonly runtime?: string; readonly native?: string } = {},
): Started {
  const runtime = options.runtime ?? `${data}-run`;
  const identity =
    options.uid === undefined
      ? []
      : ["--reuid", String(options.uid), "--regid", String(options.uid), "--clear-groups"];
  const child = spawn(
    "setpriv",
    ["--pdeathsig", "KILL", ...identity, "--", process.execPath, "src/apps/all-in-one.ts"],
    {
      env: {
        ...process.env,
        CAISSON_MODE: "development",
        CAISSON_DATA: data,
        CAISSON_PORT: String(port),
        CAISSON_RUNTIME: runtime,
        ...(options.native === undefined
          ? {}
          : { CAISSON_NATIVE_DIR: options.native, HOME: data, NODE_COMPILE_CACHE: "" }),
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const gone = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  return {
    data,
    port,
    child,
    output: () => text,
    exit: () => gone,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await gone;
    },
  };
}

function ready(started: Started): Promise<true> {
  return until(
    "the start",
    () => {
      if (started.child.exitCode !== null) throw new Error(`did not start: ${started.output()}`);
      return Promise.resolve(started.output().includes("Ctrl-C stops everything") ? true : null);
    },
    200_000,
  );
}

function printedCurl(started: Started): { readonly key: string; readonly url: string } {
  const match = /curl -H 'Authorization: Bearer (csk_[\w-]+)' (\S+)/.exec(started.output());
  return { key: match?.[1] ?? "", url: match?.[2] ?? "" };
}

async function answer(started: Started): Promise<string> {
  const { key, url } = printedCurl(started);
  try {
    const response = await fetch(url, { headers: { authorization: `Bearer ${key}` } });
    return `${response.status} ${await response.text()}`;
  } catch {
    return "no answer";
  }
}

/** Whether a server has a connection of that user; quick, since it does not last. */
function hasConnection(server: number, user: string): boolean {
  try {
    return readFileSync(`/proc/${server}/task/${server}/children`, "utf8")
      .split(" ")
      .some((pid) => pid !== "" && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(user));
  } catch {
    return false;
  }
}

/** How often a process said so. */
function eventsOf(started: Started, event: string): number {
  return started.output().split(`"event":"${event}"`).length - 1;
}

const HELLO = "200 Hello, you, from a proven extension.\n";

function untilAnswers(started: Started): Promise<true> {
  return until("the printed curl to answer", async () =>
    (await answer(started)) === HELLO ? true : null,
  );
}

function untilDatabase(started: Started): Promise<true> {
  return until("control to reach its database", async () =>
    (
      await fetch(`http://127.0.0.1:${started.port}/v1/whoami`, {
        headers: { authorization: `Bearer ${printedCurl(started).key}` },
      }).catch(() => null)
    )?.status === 200
      ? true
      : null,
  );
}

/** All processes below a supervisor, at any depth. */
function descendants(pid: number): number[] {
  return childrenOf(pid, "").flatMap((child) => [child, ...descendants(child)]);
}

function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

describe("npm start", () => {
  let root: string;
  let started: Started;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "cas-"));
    started = start(join(root, "data"), await freePorts());
    await ready(started);
  });
  afterAll(async () => {
    await started[Symbol.asyncDispose]();
    rmSync(root, { recursive: true, force: true });
  });

  test("the printed curl answers, and what is printed says where things are", async () => {
    expect(await answer(started)).toBe(HELLO);
    for (const text of [
      "DEVELOPMENT MODE",
      started.data,
      `http://127.0.0.1:${started.port}`,
      "./caisson demo-refusal",
    ])
      expect(started.output()).toContain(text);
  });

  test("the printed refusal is refused with its reasons", () => {
    const env = { ...process.env, CAISSON_DATA: started.data, CAISSON_PORT: String(started.port) };
    const refused = run("./caisson", ["demo-refusal"], env);
    expect(refused.status).toBe(1);
    expect(refused.text).toContain("NO  subject: subject.mismatch");
    expect(refused.text).toContain("version.exists");
  });

  test.each([
    ["gateway", "src/apps/gateway.ts"],
    ["runner", "src/apps/runner.ts"],
    ["control", "src/apps/control.ts"],
    ["PostgreSQL", "postgres"],
    ["sandbox", "caisson-sandbox"],
  ])("a killed %s comes back, and the call answers again", async (_name, text) => {
    const [pid = 0] = descendants(started.child.pid ?? 0).filter((one) =>
      commandLine(one).includes(text),
    );
    process.kill(pid, "SIGKILL");
    await until("it to be gone", () => Promise.resolve(isRunning(pid) ? null : true));
    await until("another one", () =>
      Promise.resolve(
        descendants(started.child.pid ?? 0).some((one) => commandLine(one).includes(text))
          ? true
          : null,
      ),
    );
    await untilAnswers(started);
    await untilDatabase(started);
  });

  test("a PostgreSQL that is killed again and again while it comes back takes nothing else along", async () => {
    const supervisor = started.child.pid ?? 0;
    // Each time while the supervisor itself has a connection to it: that is when it prepares it.
    for (let deaths = 0; deaths < 5; deaths++) {
      const server = await until("another server", () =>
        Promise.resolve(childrenOf(supervisor, "bin/postgres").find(isRunning) ?? null),
      );
      const end = Date.now() + 10_000;
      while (Date.now() < end && !hasConnection(server, "caisson_super"))
        await new Promise((resolve) => setImmediate(resolve));
      process.kill(server, "SIGKILL");
      await until("it to be gone", () => Promise.resolve(isRunning(server) ? null : true));
    }
    expect(started.child.exitCode).toBeNull();
    expect(isRunning(supervisor)).toBe(true);
    await untilAnswers(started);
    await untilDatabase(started);
  });

  test("a second supervisor on the same data folder is refused by name", async () => {
    await using second = start(started.data, await freePorts(), { runtime: join(root, "other") });
    expect(await second.exit()).toBe(1);
    expect(second.output()).toContain("[data.in-use]");
    expect(second.output()).toContain("CAISSON_DATA");
  });

  test.runIf(isRoot)(
    "a second supervisor that sees none of the first one's processes is refused, too",
    async () => {
      const second = spawn(
        "unshare",
        ["--pid", "--fork", "--kill-child", process.execPath, "src/apps/all-in-one.ts"],
        {
          env: {
            ...process.env,
            CAISSON_MODE: "development",
            CAISSON_DATA: started.data,
            CAISSON_PORT: String(await freePorts()),
            CAISSON_RUNTIME: join(root, "container"),
          },
          stdio: ["ignore", "pipe", "pipe"],
        },
      );
      let text = "";
      for (const stream of [second.stdout, second.stderr])
        stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      const [code] = (await once(second, "close")) as [number]; // what "close" brings
      expect(code).toBe(1);
      expect(text).toContain("[data.in-use]");
      expect(await answer(started)).toBe(HELLO);
    },
  );

  test("a taken port is refused by name", async () => {
    await using second = start(join(root, "second"), started.port);
    expect(await second.exit()).toBe(1);
    expect(second.output()).toContain(`127.0.0.1:${started.port}`);
    expect(second.output()).toContain("[port.taken]");
    expect(second.output()).toContain("CAISSON_PORT");
  });

  test("killing the supervisor leaves no orphan, and the next start goes on with the same data", async () => {
    const all = descendants(started.child.pid ?? 0);
    expect(all.length).toBeGreaterThan(5);
    started.child.kill("SIGKILL");
    await until(
      "every process to be gone",
      () => Promise.resolve(all.some(isRunning) ? null : true),
      20_000,
    );
    const before = printedCurl(started);
    started = start(started.data, started.port);
    await ready(started);
    expect(printedCurl(started)).toEqual(before);
    expect(await answer(started)).toBe(HELLO);
  });

  test("SIGTERM stops everything in order and ends with status 0", async () => {
    const all = descendants(started.child.pid ?? 0);
    started.child.kill("SIGTERM");
    expect(await started.exit()).toBe(0);
    expect(started.output()).toContain("caisson: stopped");
    expect(all.filter(isRunning)).toEqual([]);
  });

  test("edges that know control from a former start begin beside it, and one with a spoilt enrolment begins again", async () => {
    const path = join(started.data, "edge/gateway.json");
    const former = readFileSync(path, "utf8");
    writeFileSync(path, former.replace(/"edgeToken":"[^"]*"/, '"edgeToken":"not-the-one"'));
    started = start(started.data, started.port);
    await ready(started);
    expect(readFileSync(path, "utf8")).toBe(former);
    expect(await answer(started)).toBe(HELLO);
    expect(eventsOf(started, "gateway.ready")).toBe(2);
    expect(eventsOf(started, "control.ready")).toBe(1);
    started.child.kill("SIGTERM");
    await started.exit();
    started = start(started.data, started.port);
    await ready(started);
    expect(await answer(started)).toBe(HELLO);
    expect(eventsOf(started, "gateway.ready")).toBe(1);
    started.child.kill("SIGTERM");
    await started.exit();
  });

  test("a start on other ports shows no edge's token at the former ones", async () => {
    const moved = start(started.data, await freePorts());
    await ready(moved);
    expect(await answer(moved)).toBe(HELLO);
    expect(moved.output()).not.toContain("link.lost");
    moved.child.kill("SIGTERM");
    expect(await moved.exit()).toBe(0);
  });

  test("a data folder of another version is refused by name", async () => {
    const data = join(root, "newer");
    mkdirSync(data);
    writeFileSync(join(data, "version"), "99\n");
    await using other = start(data, await freePorts());
    expect(await other.exit()).toBe(1);
    expect(other.output()).toContain('"99"');
    expect(other.output()).toContain("[data.version]");
  });

  test.runIf(isRoot)("a full disk is refused by name", async () => {
    const small = join(root, "small");
    mkdirSync(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", small]);
    try {
      await using full = start(join(small, "data"), await freePorts());
      expect(await full.exit()).toBe(1);
      expect(full.output()).toContain("[disk.full]");
      expect(full.output()).toContain("CAISSON_DATA");
    } finally {
      execFileSync("umount", [small]);
    }
  });

  test.runIf(isRoot)("an ordinary user can start it", async () => {
    const home = join(root, "user");
    mkdirSync(home);
    const native = join(home, "native");
    mkdirSync(native);
    const paths = nativePaths();
    for (const [name, from] of [
      ["caisson-sandbox", paths.sandbox],
      ["caisson-compiler", paths.compiler],
    ] as const)
      execFileSync("install", ["-m", "755", from, join(native, name)]);
    chownSync(home, NOBODY, NOBODY);
    execFileSync("chmod", ["755", root]);
    await using ordinary = start(join(home, "data"), await freePorts(), { uid: NOBODY, native });
    await ready(ordinary);
    expect(await answer(ordinary)).toBe(HELLO);
  });
});

function commandLine(pid: number): string {
  const path = `/proc/${pid}/cmdline`;
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): { status: number; text: string } {
  try {
    return {
      status: 0,
      text: execFileSync(command, args, {
        env,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      }),
    };
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string }; // execFileSync's error
    return { status, text: stdout + stderr };
  }
}
