import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { packFolder } from "../../src/kit/index.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { freePorts } from "../e2e/free-ports.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";
import { cpuOf, parentOf, pin, treeOf } from "./processes.ts";

/** Cores: whoever answers HTTP has the first to itself; load generator, runner and the rest share the second. */
export const [SERVER_CORE, LOAD_CORE] = [0, 1];

/** Somebody who answers. */
export interface Contender {
  readonly url: string;
  readonly key: string | null;
  /** CPU that answering has cost so far, in µs: of the HTTP process, and of the process that runs guests where there is one. */
  cpu(): { readonly http: number; readonly guests: number };
}

export interface Bench extends AsyncDisposable {
  readonly caisson: Caisson;
  readonly node: Contender;
  readonly tiny: Contender;
  readonly js: Contender;
  readonly instance: Contender;
  /** A new process each time: workerd keeps its isolates, and ends when memory does. */
  readonly freshIsolates: () => Promise<Contender & Disposable>;
}

/** Everybody, started and answering. */
export async function startBench(settings: Readonly<Record<string, string>>): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), "caisson-bench-"));
  const children: ChildProcess[] = [];
  const caisson = await startCaisson(settings);
  const stop = async () => {
    for (const child of children) child.kill("SIGKILL");
    await caisson[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await caisson.serve({ name: "bench-tiny", limits: { deadlineMs: 2_000 } });
    await serveJs(caisson, folder);
    pinCaisson(caisson);
    const start = async (command: string, args: readonly string[], port: number) => {
      const child = spawn("taskset", ["-c", String(SERVER_CORE), command, ...args], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      children.push(child);
      const contender = single(`http://127.0.0.1:${port}/`, child.pid ?? 0);
      await untilAnswering(contender);
      return { ...contender, [Symbol.dispose]: () => void child.kill("SIGKILL") };
    };
    const [nodePort, workerdPort] = [await freePorts(), await freePorts()];
    const [instance, isolate] = [workerdPort, workerdPort + 1];
    await writeWorkers(folder, { instance, isolate });
    const workerd = (name: string) => ["serve", "--experimental", join(folder, `${name}.capnp`)];
    const node = await start(process.execPath, [NODE_HELLO, String(nodePort)], nodePort);
    const workerdAt = await start(workerdPath(), workerd("instance"), instance);
    const bench = {
      caisson,
      node,
      tiny: viaGateway(caisson, "bench-tiny"),
      js: viaGateway(caisson, "bench-js"),
      instance: workerdAt,
      freshIsolates: () => start(workerdPath(), workerd("isolate"), isolate),
      [Symbol.asyncDispose]: stop,
    };
    for (const each of [bench.tiny, bench.js]) await untilAnswering(each);
    return bench;
  } catch (error) {
    await stop();
    throw error;
  }
}

export const NODE_HELLO = fileURLToPath(new URL("node-hello.ts", import.meta.url));

async function serveJs(caisson: Caisson, folder: string): Promise<void> {
  const here = (name: string) => new URL(name, import.meta.url);
  await mkdir(join(folder, "js/src"), { recursive: true });
  await copyFile(here("js-handler.js"), join(folder, "js/src/index.ts"));
  await copyFile(here("js-caisson.json"), join(folder, "js/caisson.json"));
  const packed = await packFolder(join(folder, "js"));
  const said = await caisson.publish(caisson.sign(packed));
  const ready = said === "admitted" ? await caisson.install(caisson.north, "acme.bench-js") : said;
  if (ready !== "ready") throw new Error(`cannot serve the JavaScript extension: ${ready}`);
  await caisson.untilRouted(caisson.north, "acme.bench-js");
}

export function supervisorOf(caisson: Caisson): number {
  return parentOf(caisson.pidOf("gateway"));
}

/** The gateway alone on its core. */
export function pinCaisson(caisson: Caisson): void {
  for (const pid of treeOf(supervisorOf(caisson))) pin(pid, LOAD_CORE);
  pin(caisson.pidOf("gateway"), SERVER_CORE);
}

function viaGateway(caisson: Caisson, name: string): Contender {
  return {
    url: `http://127.0.0.1:${caisson.gatewayPort}/api/ext/acme.${name}`,
    key: caisson.north.key,
    cpu: () => ({
      http: cpuOf(caisson.pidOf("gateway")),
      guests: treeOf(caisson.pidOf("runner")).reduce((sum, pid) => sum + cpuOf(pid), 0),
    }),
  };
}

function single(url: string, pid: number): Contender {
  return { url, key: null, cpu: () => ({ http: cpuOf(pid), guests: 0 }) };
}

export async function untilAnswering({ url, key }: Contender, withinMs = 60_000): Promise<void> {
  const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
  await until(
    `an answer of ${url}`,
    async () => {
      const response = await fetch(url, { headers }).catch(() => null);
      return response?.ok === true && (await response.text()) === "hello\n" ? true : null;
    },
    withinMs,
  );
}

/** npm's platform package holds the executable; the package's own install script is not run. */
function workerdPath(): string {
  const require = createRequire(createRequire(import.meta.url).resolve("workerd/package.json"));
  const arch = process.arch === "x64" ? "64" : process.arch;
  return require.resolve(`@cloudflare/workerd-${process.platform}-${arch}/bin/workerd`);
}

export const HELLO_WAT = `(module (memory (export "memory") 1) (data (i32.const 16) "hello\\n")
  (func (export "handle") (result i32) (i32.const 16)))`;

async function writeWorkers(
  folder: string,
  ports: { readonly instance: number; readonly isolate: number },
): Promise<void> {
  await writeFile(join(folder, "hello.wasm"), await parse(HELLO_WAT));
  for (const name of ["fresh-instance.js", "fresh-isolate.js"])
    await copyFile(new URL(name, import.meta.url), join(folder, name));
  const module = `(name = "hello.wasm", wasm = embed "hello.wasm")`;
  const loader = `compatibilityFlags = ["experimental"], bindings = [(name = "LOADER", workerLoader = (id = "bench"))],`;
  const instance = configText("instance", ports.instance, `, ${module}`, "");
  await writeFile(join(folder, "instance.capnp"), instance);
  const isolate = configText("isolate", ports.isolate, "", loader);
  await writeFile(join(folder, "isolate.capnp"), isolate);
}

function configText(name: string, port: number, modules: string, more: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "main", esModule = embed "fresh-${name}.js")${modules}],
  compatibilityDate = "2026-11-01",
  ${more}
);
`;
}
