import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { childrenOf } from "../e2e/children.ts";
import { freePorts } from "../e2e/free-ports.ts";
import { serveSource } from "../e2e/serve-source.ts";
import { HELLO_WAT, LOAD_CORE, SERVER_CORE, supervisorOf, untilAnswering } from "./contenders.ts";
import type { Bench, Contender } from "./contenders.ts";
import { cpuOf, pin, treeOf } from "./processes.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const run = promisify(execFile);
/** Name under which the broker is let to the upstream of this machine. */
export const UPSTREAM = "upstream.test";
const KEY = "greeting";

const ANSWER = `
import { OutgoingBody } from "caisson:ext/types@1.0.0";
const answer = (bytes) => {
  const body = new OutgoingBody();
  body.write(bytes);
  return { status: 200, headers: [], body };
};`;
const KV_SOURCE = `import { get, put } from "caisson:kv/store@1.0.0";
${ANSWER}
export const handler = {
  handle({ method }) {
    if (method === "POST") put("${KEY}", new TextEncoder().encode("hello\\n"), { tag: "always" }, undefined);
    return answer(get("${KEY}").value);
  },
};`;
const FETCH_SOURCE = (url: string) => `import { send } from "caisson:http/fetch@1.0.0";
${ANSWER}
export const handler = { handle: () => answer(send({ method: "GET", url: "${url}", headers: [], body: new Uint8Array() }).body) };`;

/** Extensions that reach outside, each with plain Node doing the same. */
export interface Outside extends Disposable {
  readonly kv: Contender;
  readonly query: Contender;
  readonly fetching: Contender;
  readonly nodeFetch: Contender;
}

/** upstreamPort: where `UPSTREAM` is let to, on loopback. */
export async function startOutside(bench: Bench, upstreamPort: number): Promise<Outside> {
  const { caisson } = bench;
  const children: ChildProcess[] = [];
  const start = (core: number, file: string, ...args: readonly string[]) => {
    const child = spawn("taskset", ["-c", String(core), process.execPath, here(file), ...args], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    children.push(child);
    return child.pid ?? 0;
  };
  start(LOAD_CORE, "node-hello.ts", String(upstreamPort));
  const url = `http://${UPSTREAM}:${upstreamPort}`;
  await serveSource(caisson, {
    name: "bench-kv",
    source: KV_SOURCE,
    capabilities: { "storage.kv": {} },
    deadlineMs: 2_000,
    endpoints: ["GET", "POST"].map((method) => ({ method, path: "/" })),
  });
  await serveSource(caisson, {
    name: "bench-fetch",
    source: FETCH_SOURCE(`${url}/`),
    capabilities: { "http.fetch": { hosts: [{ origin: url, methods: ["GET"] }] } },
    deadlineMs: 2_000,
  });
  await caisson.call(caisson.north.key, "/api/ext/acme.bench-kv", { method: "POST" });
  const [install = ""] = await installOf(bench, "acme.bench-kv");
  const [queryPort, fetchPort] = [await freePorts(), await freePorts()];
  const args = [caisson.runtime, caisson.north.id, install, KEY];
  const queryPid = start(SERVER_CORE, "node-query.ts", String(queryPort), ...args);
  const loopback = `http://127.0.0.1:${upstreamPort}/`;
  const fetchPid = start(SERVER_CORE, "node-fetch.ts", String(fetchPort), loopback);
  pin(caisson.pidOf("gateway"), SERVER_CORE);
  const whole = () => treeOf(supervisorOf(caisson)).reduce((sum, pid) => sum + cpuOf(pid), 0);
  const outside = {
    kv: via(bench, "bench-kv", whole),
    query: node(queryPort, () => cpuOf(queryPid) + databaseOf(bench)),
    fetching: via(bench, "bench-fetch", whole),
    nodeFetch: node(fetchPort, () => cpuOf(fetchPid)),
    [Symbol.dispose]: () => {
      for (const child of children) child.kill("SIGKILL");
    },
  };
  for (const each of [outside.kv, outside.query, outside.fetching, outside.nodeFetch])
    await untilAnswering(each);
  return outside;
}

/** All processes of the product, PostgreSQL too. */
function via({ caisson }: Bench, name: string, cpu: () => number): Contender {
  return {
    url: `http://127.0.0.1:${caisson.gatewayPort}/api/ext/acme.${name}`,
    key: caisson.north.key,
    cpu: () => ({ http: cpu(), guests: 0 }),
  };
}

function node(port: number, cpu: () => number): Contender {
  return {
    url: `http://127.0.0.1:${port}/`,
    key: null,
    cpu: () => ({ http: cpu(), guests: 0 }),
  };
}

function databaseOf({ caisson }: Bench): number {
  return childrenOf(supervisorOf(caisson), "postgres")
    .flatMap(treeOf)
    .reduce((sum, pid) => sum + cpuOf(pid), 0);
}

async function installOf({ caisson }: Bench, extension: string): Promise<string[]> {
  const rows = await caisson.sql("select id from install where extension_id = $1", [extension]);
  return rows.map(({ id }) => String(id));
}

/** µs of CPU for a call by a new engine each time. The program is built by cargo on first use. */
export async function naiveCall(seconds: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "caisson-naive-"));
  try {
    await writeFile(join(folder, "hello.wasm"), await parse(HELLO_WAT));
    const program = await buildNaive();
    const { stdout } = await run("taskset", [
      "-c",
      String(SERVER_CORE),
      program,
      join(folder, "hello.wasm"),
      String(seconds),
    ]);
    return Number(stdout.trim().split(" ")[1]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function buildNaive(): Promise<string> {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const target = join(cache, "caisson/native/target");
  const manifest = here("naive/Cargo.toml");
  await run("cargo", ["build", "--release", "--locked", "-j2", "--manifest-path", manifest], {
    env: { ...process.env, CARGO_TARGET_DIR: target },
    maxBuffer: 16 << 20,
  });
  return join(target, "release/caisson-bench-naive");
}
