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
  readonly isolate: Contender;
}

/** Everybody, started and answering. */
export async function startBench(): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), "caisson-bench-"));
  const children: ChildProcess[] = [];
  const caisson = await startCaisson();
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
      return single(`http://127.0.0.1:${port}/`, child.pid ?? 0);
    };
    const [nodePort, workerdPort] = [await freePorts(), await freePorts()];
    const [instance, isolate] = [workerdPort, workerdPort + 1];
    const config = await workerdConfig(folder, instance, isolate);
    const node = await start(process.execPath, [NODE_HELLO, String(nodePort)], nodePort);
    const workerd = ["serve", "--experimental", config];
    const workerdAt = await start(workerdPath(), workerd, instance);
    const bench = {
      caisson,
      node,
      tiny: viaGateway(caisson, "bench-tiny"),
      js: viaGateway(caisson, "bench-js"),
      instance: workerdAt,
      isolate: { ...workerdAt, url: `http://127.0.0.1:${isolate}/` },
      [Symbol.asyncDispose]: stop,
    };
    for (const each of [node, bench.tiny, bench.js, bench.instance, bench.isolate])
      await untilAnswering(each);
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

const HELLO_WAT = `(module (memory (export "memory") 1) (data (i32.const 16) "hello\\n")
  (func (export "handle") (result i32) (i32.const 16)))`;

async function workerdConfig(folder: string, instance: number, isolate: number): Promise<string> {
  await writeFile(join(folder, "hello.wasm"), await parse(HELLO_WAT));
  for (const name of ["fresh-instance.js", "fresh-isolate.js"])
    await copyFile(new URL(name, import.meta.url), join(folder, name));
  const path = join(folder, "config.capnp");
  await writeFile(path, configText(instance, isolate));
  return path;
}

function configText(instance: number, isolate: number): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "instance", worker = .instance), (name = "isolate", worker = .isolate)],
  sockets = [
    (name = "instance", address = "127.0.0.1:${instance}", http = (), service = "instance"),
    (name = "isolate", address = "127.0.0.1:${isolate}", http = (), service = "isolate"),
  ],
);
const instance :Workerd.Worker = (
  modules = [(name = "main", esModule = embed "fresh-instance.js"), (name = "hello.wasm", wasm = embed "hello.wasm")],
  compatibilityDate = "2026-11-01",
);
const isolate :Workerd.Worker = (
  modules = [(name = "main", esModule = embed "fresh-isolate.js")],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["experimental"],
  bindings = [(name = "LOADER", workerLoader = (id = "bench"))],
);
`;
}
