import { spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Caisson } from "../e2e/caisson.ts";
import { send } from "../e2e/caisson.ts";
import { freePorts } from "../e2e/free-ports.ts";
import type { Pair } from "./figures.ts";
import { NODE_HELLO } from "./contenders.ts";

const MAIN = fileURLToPath(new URL("../../src/apps/all-in-one.ts", import.meta.url));
const COMPILED = fileURLToPath(
  new URL("../../node_modules/.cache/caisson-compile", import.meta.url),
);
const ASK_MS = 2;
const LONGEST_MS = 60_000;

/** First call of an extension that no call has reached before, against its second, in ms. */
export async function coldFirstAnswer(caisson: Caisson, round: number): Promise<Pair> {
  const name = `bench-cold-${round}`;
  await caisson.serve({ name });
  const call = async () => {
    const from = performance.now();
    const { status } = await caisson.call(caisson.north.key, `/api/ext/acme.${name}`);
    if (status !== 200) throw new Error(`the first call was answered with ${status}`);
    return performance.now() - from;
  };
  return { ours: await call(), peer: await call() };
}

/**
 * From spawn to the first answer, in ms: Caisson on the data folder that it has, and plain Node. The instance before
 * is stopped; this one is stopped by the caller with the pid.
 */
export async function secondStart(
  caisson: Caisson,
  stopBefore: () => Promise<void>,
): Promise<Pair & { readonly stop: () => Promise<void> }> {
  await stopBefore();
  const peer = await nodeStart();
  const from = performance.now();
  const child = spawn("setpriv", ["--pdeathsig", "TERM", "--", process.execPath, MAIN], {
    env: {
      ...process.env,
      CAISSON_MODE: "development",
      CAISSON_DATA: caisson.data,
      CAISSON_RUNTIME: caisson.runtime,
      CAISSON_PORT: String(caisson.gatewayPort - 1),
      CAISSON_SAMPLES: "off",
      // As `npm start` sets it.
      NODE_COMPILE_CACHE: COMPILED,
    },
    stdio: "ignore",
  });
  await firstAnswer(caisson.gatewayPort, caisson.north.key, "/api/ext/acme.bench-tiny");
  return { ours: performance.now() - from, peer, stop: () => stopProcess(child) };
}

async function nodeStart(): Promise<number> {
  const port = await freePorts();
  const from = performance.now();
  const child = spawn(process.execPath, [NODE_HELLO, String(port)], { stdio: "ignore" });
  await firstAnswer(port, "", "/");
  const took = performance.now() - from;
  await stopProcess(child);
  return took;
}

async function firstAnswer(port: number, key: string, target: string): Promise<void> {
  const headers: Record<string, string> = key === "" ? {} : { authorization: `Bearer ${key}` };
  for (const end = Date.now() + LONGEST_MS; Date.now() < end; await pause(ASK_MS))
    if ((await send(port, target, { headers })).status === 200) return;
  throw new Error(`waited ${LONGEST_MS} ms for the first answer`);
}

export async function stopProcess(child: ReturnType<typeof spawn>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await gone;
}
