import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { ApiAddress } from "../../src/core/http-api/index.ts";
import type { PublicKey } from "../../src/core/trust/index.ts";
import { newSigner } from "../fakes/releases.ts";
import { Caisson } from "./caisson.ts";
import type { Tenant } from "./caisson.ts";
import { childrenOf } from "./children.ts";
import { freePorts } from "./free-ports.ts";
import { until } from "./until.ts";

/** Far more than a test file makes: whoever looks from a mark on would lose it where the beginning is cut. */
const OUTPUT_CHARS = 16_000_000;
const MAIN = fileURLToPath(new URL("../../src/apps/all-in-one.ts", import.meta.url));
const ACTIONS = [
  "key:manage",
  "artifact:push",
  "artifact:read",
  "install:manage",
  "install:read",
  "verdict:read",
  "execution:read",
  "ext:call",
  "fence:manage",
];
/** Who owns the names under which the tests publish. */
const PUBLISHER = "acme";

/**
 * Starts the whole product as real processes in a folder of its own (below `folder`): tenants north and south, publisher acme of north
 * with a trusted key. Stops them all, and removes the folder, when it is disposed of.
 */
export async function startCaisson(
  settings: Readonly<Record<string, string>> = {},
  folder = tmpdir(),
): Promise<Caisson> {
  const root = await mkdtemp(join(folder, "cai-"));
  const port = await freePorts();
  const [data, runtime] = [join(root, "data"), join(root, "run")];
  // The kernel stops it when this process ends, however that happens.
  const supervisor = spawn("setpriv", ["--pdeathsig", "TERM", "--", process.execPath, MAIN], {
    env: {
      ...process.env,
      CAISSON_MODE: "development",
      ...settings,
      CAISSON_DATA: data,
      CAISSON_PORT: String(port),
      CAISSON_RUNTIME: runtime,
      CAISSON_SAMPLES: "off",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = outputOf(supervisor);
  const stop = async () => {
    await stopSupervisor(supervisor);
    await rm(root, { recursive: true, force: true });
  };
  try {
    await untilRunning(supervisor, output);
    const operator = {
      url: `http://127.0.0.1:${port}`,
      key: (await readFile(join(data, "keys/operator.key"), "utf8")).trim(),
    };
    const [north, south] = [
      await makeTenant(operator, "north"),
      await makeTenant(operator, "south"),
    ];
    const signer = newSigner();
    await call(operator, operations.publisherCreate, {
      body: { name: PUBLISHER, tenant: north.id },
    });
    await trust(operator, signer.publicKey, {});
    const pid = supervisor.pid ?? 0;
    return new Caisson({ data, runtime, operator, north, south, signer, pid, output, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

export interface TrustScope {
  readonly publishers?: string[];
  readonly doors?: string[];
}

/** Adds the key (or `pem`, which holds it) and gives it a scope: publisher acme at every door, unless told. */
export async function trust(
  operator: ApiAddress,
  key: PublicKey,
  { publishers = [PUBLISHER], doors = ["publish", "install", "load"] }: TrustScope,
  pem = key.toPem(),
): Promise<void> {
  await call(operator, operations.trustAdd, { body: { pem } });
  await call(operator, operations.trustScope, {
    params: { spki: key.spkiDigest },
    body: { publishers, kinds: ["extension"], doors },
  });
}

async function makeTenant(operator: ApiAddress, name: string): Promise<Tenant> {
  const { id } = await call(operator, operations.tenantCreate, { body: { name } });
  const { key } = await call(operator, operations.keyCreate, {
    params: { tenant: id },
    body: { name: "test", actions: ACTIONS },
  });
  return { name, id, url: operator.url, key };
}

function outputOf(child: ChildProcess): () => string {
  let text = "";
  const keep = (chunk: string) => (text = (text + chunk).slice(-OUTPUT_CHARS));
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", keep);
  // Not "close": its children hold the other ends open.
  child.once("exit", (code, signal) =>
    keep(`the supervisor ended with ${String(signal ?? code)} at ${new Date().toISOString()}\n`),
  );
  return () => text;
}

async function untilRunning(supervisor: ChildProcess, output: () => string): Promise<void> {
  await until(
    "the start",
    async () => {
      if (supervisor.exitCode !== null) throw new Error(`caisson did not start: ${output()}`);
      return output().includes("Ctrl-C stops everything") ? true : null;
    },
    250_000,
  );
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function stopSupervisor(supervisor: ChildProcess): Promise<void> {
  if (supervisor.exitCode !== null || supervisor.signalCode !== null) return;
  const gone = new Promise((resolve) => supervisor.once("exit", resolve));
  const children = childrenOf(supervisor.pid ?? 0, "");
  supervisor.kill("SIGTERM");
  const kill = setTimeout(() => {
    for (const pid of [supervisor.pid ?? 0, ...children]) killIfThere(pid);
  }, 20_000);
  await gone;
  clearTimeout(kill);
}
