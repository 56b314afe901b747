import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { runCli } from "./run-cli.ts";
import { until } from "./until.ts";

// Each test builds several times; a busy machine takes its time over that.
vi.setConfig({ testTimeout: 300_000 });

const CAISSON = fileURLToPath(new URL("../../caisson", import.meta.url));
const BUILD_MS = 120_000;

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "caisson-dev-"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** A new extension from the TypeScript template, in a folder of its own outside the clone. */
async function extension(name: string): Promise<string> {
  expect(await runCli(["new", name, "--publisher", "acme"], {}, home)).toMatchObject({ exit: 0 });
  return join(home, name);
}

async function edit(path: string, change: (text: string) => string): Promise<void> {
  await writeFile(path, change(await readFile(path, "utf8")));
}

/** An extension that fetches an address and answers what came of it. */
const FETCHER = `
import { send } from "caisson:http/fetch@1.0.0";
import { OutgoingBody } from "caisson:ext/types@1.0.0";
export const handler = {
  handle() {
    let said = "";
    try {
      said = String(send({ method: "GET", url: "http://127.0.0.1:9/", headers: [], body: new Uint8Array() }).status);
    } catch (error) {
      said = error.payload.tag;
    }
    const body = new OutgoingBody();
    body.write(new TextEncoder().encode(said));
    return { status: 200, headers: [], body };
  },
};
`;

/** `caisson dev`, as somebody at a terminal runs it. */
class Dev implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #gone: Promise<number | null>;
  out = "";
  err = "";

  constructor(folder: string) {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("CAISSON_DATA"));
    this.#child = spawn(CAISSON, ["dev", folder, "--port", "0"], {
      env: Object.fromEntries(own),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => (this.out += chunk.toString("utf8")));
    this.#child.stderr?.on("data", (chunk: Buffer) => (this.err += chunk.toString("utf8")));
    this.#gone = new Promise((resolve) => this.#child.once("exit", resolve));
  }

  /** What it prints next, once that matches. */
  said(wanted: RegExp, from = 0): Promise<RegExpExecArray> {
    return until(
      `"${wanted.source}" from caisson dev, which said ${this.out}${this.err}`,
      async () => wanted.exec(this.out.slice(from)),
      BUILD_MS,
    );
  }

  async url(): Promise<string> {
    return (await this.said(/serving (http:\/\/127\.0\.0\.1:\d+)/))[1] ?? "";
  }

  descendants(): number[] {
    return descendantsOf(this.#child.pid ?? 0);
  }

  /** As Ctrl-C does. */
  async interrupt(): Promise<number | null> {
    this.#child.kill("SIGINT");
    return this.#gone;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#gone;
  }
}

function descendantsOf(pid: number): number[] {
  const children = readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === String(pid);
    } catch {
      return false; // it ended meanwhile
    }
  });
  return children.flatMap((name) => [Number(name), ...descendantsOf(Number(name))]);
}

async function get(url: string): Promise<{ status: number; body: string }> {
  const response = await fetch(url);
  return { status: response.status, body: await response.text() };
}

test("dev serves a folder, takes a save, keeps serving while a build fails, and stops without leaving anything", async () => {
  const folder = await extension("served");
  const source = join(folder, "src/index.ts");
  await using dev = new Dev(folder);
  const url = await dev.url();
  expect(dev.err).toContain("development: unsigned code, this machine only");
  expect(await get(`${url}/`)).toEqual({ status: 200, body: "Hello from TypeScript.\n" });
  await dev.said(/GET \/ 200 [\d.]+ ms\n/);
  await dev.said(/ {2}info {2}GET \/\n/);
  expect(await get(`${url}/elsewhere`)).toMatchObject({ status: 404 });
  await dev.said(/GET \/elsewhere 404 [\d.]+ ms endpoint\.unknown\n/);

  await edit(source, (text) => text.replace("Hello from TypeScript", "Hello again"));
  await until(
    "the saved source",
    async () => ((await get(`${url}/`)).body === "Hello again.\n" ? true : null),
    BUILD_MS,
  );

  await edit(source, (text) => `${text}const x = ;\n`);
  const lines = (await readFile(source, "utf8")).split("\n").length - 1;
  await dev.said(new RegExp(`failed: .*src/index\\.ts:${lines}:11: Unexpected ";"`));
  expect((await get(`${url}/`)).body).toBe("Hello again.\n");

  await edit(source, (text) =>
    text
      .replace("const x = ;\n", "")
      .replace("write(", "throw new Error(`for ${request.path}`);\n    write("),
  );
  await until(
    "the next build",
    async () => ((await get(`${url}/`)).status === 500 ? true : null),
    BUILD_MS,
  );
  await dev.said(/GET \/ 500 [\d.]+ ms guest\.trap\n/);
  await dev.said(/ {2}error Error: for \/\n {4}\| {5}at handle \(src\/index\.ts:7\)\n/);

  const processes = dev.descendants();
  expect(processes.length).toBeGreaterThanOrEqual(3);
  expect(await dev.interrupt()).toBe(0);
  // The bundler's own process ends when it sees that nobody is left.
  await until("its processes to end", async () =>
    processes.some((pid) => existsSync(`/proc/${pid}`)) ? null : true,
  );
});

test("dev's processes end with it, even when it is killed", async () => {
  const folder = await extension("killed");
  await using dev = new Dev(folder);
  await dev.url();
  const processes = dev.descendants();
  dev.kill();
  await until("its processes to end", async () =>
    processes.some((pid) => existsSync(`/proc/${pid}`)) ? null : true,
  );
});

test("dev answers no page that has its own name stand for this machine", async () => {
  const folder = await extension("rebound");
  await using dev = new Dev(folder);
  const url = new URL(await dev.url());
  const status = (host: string) =>
    new Promise<number>((resolve, reject) => {
      const sent = request(
        { host: url.hostname, port: url.port, headers: { host } },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      sent.on("error", reject);
      sent.end();
    });
  expect(await status("pages.example")).toBe(421);
  expect(await status(`localhost:${url.port}`)).toBe(200);
});

const CASES = {
  cases: [
    {
      name: "spins",
      request: { path: "/spin" },
      expect: { status: 504, code: "deadline.exceeded" },
    },
    { name: "grows", request: { path: "/grow" }, expect: { status: 500, code: "guest.memory" } },
    {
      name: "echoes",
      request: {
        method: "POST",
        path: "/echo",
        json: { a: [1, "ü"] },
        headers: { "X-Ext-Mine": "in" },
      },
      expect: {
        status: 200,
        json: { a: [1, "ü"] },
        headers: { "X-Ext-Seen": "in" },
        contains: "ü",
      },
    },
    {
      name: "throws",
      request: { path: "/throw" },
      expect: { code: "guest.trap", logs: ["src/index.ts:"] },
    },
  ],
};

const SOURCE = `import { OutgoingBody } from "caisson:ext/types@1.0.0";
import type { Request, Response } from "caisson:ext/types@1.0.0";
export const handler = {
  handle(request: Request): Response {
    if (request.path === "/spin") for (;;);
    if (request.path === "/throw") throw new Error("on purpose");
    const kept: Uint8Array[] = [];
    while (request.path === "/grow") kept.push(new Uint8Array(1 << 20).fill(1));
    const body = new OutgoingBody();
    body.write(request.body.readAll(65536));
    const seen = request.headers.find(({ name }) => name === "x-ext-mine")?.value ?? "";
    return { status: 200, headers: [{ name: "x-ext-seen", value: seen }], body };
  },
};
`;

test("test makes its calls under the limits of caisson.json, and its exit status tells how they went", async () => {
  const folder = await extension("tested");
  await writeFile(join(folder, "src/index.ts"), SOURCE);
  const config = JSON.parse(await readFile(join(folder, "caisson.json"), "utf8")) as object;
  const endpoints = [
    { method: "GET", path: "/spin" },
    { method: "GET", path: "/grow" },
    { method: "GET", path: "/throw" },
    { method: "POST", path: "/echo" },
  ];
  const limits = { deadlineMs: 300, memoryBytes: 16 << 20 };
  await writeFile(join(folder, "caisson.json"), JSON.stringify({ ...config, endpoints, limits }));
  const file = join(folder, "test/hello.test.json");
  await writeFile(file, JSON.stringify(CASES));
  const good = await runCli(["test", folder, "--json"]);
  expect(good.json).toMatchObject({ passed: 4, failed: 0 });
  expect(good).toMatchObject({ exit: 0 });

  const wrong = { name: "wrong", request: { path: "/throw" }, expect: { status: 200 } };
  await writeFile(file, JSON.stringify({ cases: [CASES.cases[2], wrong] }));
  const bad = await runCli(["test", folder]);
  expect(bad.exit).toBe(1);
  expect(bad.out).toContain("ok test/hello.test.json: echoes\n");
  expect(bad.out).toContain("NOT OK test/hello.test.json: wrong\n  status: wanted 200, got 500\n");
  expect(bad.out).toMatch(
    / {2}log error Error: on purpose\n {4}\| {5}at handle \(src\/index\.ts:6\)/,
  );
  expect(bad.out).toMatch(/1 passed, 1 failed\n$/);
});

test("test refuses a field that it does not know, and a folder without tests", async () => {
  const folder = await extension("untested");
  const file = join(folder, "test/hello.test.json");
  await writeFile(
    file,
    JSON.stringify({ cases: [{ name: "x", request: { path: "/" }, expect: { statos: 200 } }] }),
  );
  const unknown = await runCli(["test", folder, "--json"]);
  expect(unknown.exit).not.toBe(0);
  expect(unknown.json).toMatchObject({
    code: "test.invalid",
    message: expect.stringContaining("statos"),
  });
  await rm(join(folder, "test"), { recursive: true });
  expect((await runCli(["test", folder, "--json"])).json).toMatchObject({ code: "test.invalid" });
});

test("caisson test lets out what EXT_EGRESS_ALLOWLIST names and nothing else, also in a shell of production's", async () => {
  const folder = await extension("fetcher");
  const origin = "http://127.0.0.1:9";
  await writeFile(join(folder, "src/index.ts"), FETCHER);
  await edit(join(folder, "caisson.json"), (text) => {
    const config = JSON.parse(text) as { capabilities: object };
    config.capabilities = { "http.fetch": { hosts: [{ origin, methods: ["GET"] }] } };
    return JSON.stringify(config);
  });
  const expectBody = (body: string) =>
    writeFile(
      join(folder, "test/hello.test.json"),
      JSON.stringify({ cases: [{ name: "fetches", request: { path: "/" }, expect: { body } }] }),
    );
  await expectBody("denied");
  expect(await runCli(["test", folder])).toMatchObject({ exit: 0 });
  // Nobody listens there: the broker tried.
  await expectBody("failed");
  const named = {
    EXT_EGRESS_ALLOWLIST: `${origin}=127.0.0.0/8`,
    CAISSON_MODE: "production",
    CAISSON_BIND: "0.0.0.0",
    CAISSON_TLS_CERT: "/nowhere/tls.crt",
  };
  expect(await runCli(["test", folder], named)).toMatchObject({ exit: 0 });
});
