import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { request } from "node:http";
import type { Caisson } from "./caisson.ts";
import { childrenOf } from "./children.ts";
import { sandboxPlace } from "./sandbox-place.ts";
import { until } from "./until.ts";

/** The sandbox that takes calls now. */
export async function currentSandbox(caisson: Caisson): Promise<{ socket: string; pid: number }> {
  const socket = basename((await sandboxPlace(caisson.runtime)).socketPath);
  const [pid] = childrenOf(caisson.pidOf("runner"), socket);
  if (pid === undefined) throw new Error(`nothing listens on ${socket}`);
  return { socket, pid };
}

/** Another one takes calls than that. */
export function untilReplaced(caisson: Caisson, before: { socket: string }): Promise<true> {
  return until("another sandbox to take calls", async () => {
    const now = await sandboxPlace(caisson.runtime).catch(() => null);
    return now !== null && basename(now.socketPath) !== before.socket ? true : null;
  });
}

export async function untilSpareReady(caisson: Caisson): Promise<void> {
  await until("the spare to be ready", async () =>
    (await runnerMetric(caisson, "caisson_sandbox_spare_ready")) === 1 ? true : null,
  );
}

/** 0 for a counter that has not counted yet, and without a runner. name: with its labels, as the metrics text has it. */
export async function runnerMetric(caisson: Caisson, name: string): Promise<number> {
  const operations = caisson.gatewayPort - 1 + 13;
  const text = await fetch(`http://127.0.0.1:${operations}/metrics`).then(
    (response) => response.text(),
    () => "", // a runner between two lives
  );
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length + 1));
}

/** A process that was stopped by a signal stands still. */
export function standsStill(pid: number): boolean {
  return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

export interface HeldCall {
  /** Sends the rest of the body. */
  finish(): void;
  readonly answer: Promise<{ status: number; body: string; requestId: string }>;
}

/** A call to an echo that has sent half of its body: it is inside, and ends when the test says so. */
export function heldCall(caisson: Caisson, target: string): HeldCall {
  const done = Promise.withResolvers<{ status: number; body: string; requestId: string }>();
  const sent = request({
    host: "127.0.0.1",
    port: caisson.gatewayPort,
    path: target,
    method: "POST",
    agent: false,
    headers: { authorization: `Bearer ${caisson.north.key}`, "content-length": "12" },
  });
  sent.on("response", (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () =>
      done.resolve({
        status: response.statusCode ?? 0,
        body: Buffer.concat(chunks).toString("utf8"),
        requestId: String(response.headers["x-request-id"]),
      }),
    );
    response.on("error", done.reject);
  });
  sent.on("error", done.reject);
  sent.write("before");
  return { finish: () => sent.end("behind"), answer: done.promise };
}
