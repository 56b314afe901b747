import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { until } from "../e2e/until.ts";
import { LOAD_CORE } from "./contenders.ts";
import type { Bench } from "./contenders.ts";
import { p99, rowOf } from "./figures.ts";
import type { Pair, Row } from "./figures.ts";
import { load } from "./load.ts";

const ROUNDS = 5;
const HALTS = 20;
const CALLERS = 8;
/** After the acknowledgement: an answer that comes still would be seen. */
const WATCH_MS = 100;
const DEADLINE_MS = 100;
const LOOPS = 40;
const LOOPERS = 4;
const NEIGHBOUR_CALLS = 400;
/** As many calls at once as one install may have. */
const FLOOD_CONNECTIONS = 32;

const HALTED = "acme.bench-halted";

/** How long things take while others use the machine, in ms: tails, not medians. */
export async function rowsUnderLoad(bench: Bench): Promise<Row[]> {
  const { caisson } = bench;
  await caisson.serve({ name: "bench-halted" });
  await caisson.serve({ name: "bench-loop", guest: "loop", limits: { deadlineMs: DEADLINE_MS } });
  await caisson.install(caisson.south, "acme.bench-tiny");
  await caisson.untilRouted(caisson.south, "acme.bench-tiny");
  const fences: { ack: Pair; effect: Pair }[] = [];
  const overruns: Pair[] = [];
  const neighbours: Pair[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    fences.push(await fenceTimes(bench));
    overruns.push(await overrunTimes(caisson));
    neighbours.push(await neighbourTimes(bench));
  }
  return [
    rowOf(
      "fence.ack.p99",
      "ms, ÷ without load",
      fences.map(({ ack }) => ack),
    ),
    rowOf(
      "fence.last-effect.p99",
      "ms, ÷ the acknowledgement",
      fences.map(({ effect }) => effect),
    ),
    rowOf("deadline.overrun.p99", "ms, ÷ the deadline, at twofold load", overruns),
    rowOf("neighbour.p99", "ms, ÷ alone", neighbours),
  ];
}

/** Halts of one extension while it and another one are called. */
async function fenceTimes(bench: Bench): Promise<{ ack: Pair; effect: Pair }> {
  const idle = await haltTimes(bench.caisson);
  const busy = await whileFlooded(bench, () => haltTimes(bench.caisson));
  return {
    ack: { ours: p99(busy.acks), peer: p99(idle.acks) },
    effect: { ours: p99(busy.effects), peer: p99(busy.acks) },
  };
}

async function haltTimes(caisson: Caisson): Promise<{ acks: number[]; effects: number[] }> {
  const [acks, effects]: [number[], number[]] = [[], []];
  const watch = watchAnswers(caisson);
  for (let halt = 0; halt < HALTS; halt++) {
    await watch.answering();
    const from = performance.now();
    const body = { scope: "extension", id: HALTED, reason: "bench" } as const;
    const { missing } = await call(caisson.operator, operations.fenceSet, { body });
    if (missing.length > 0) throw new Error(`no acknowledgement of ${missing.join(", ")}`);
    acks.push(performance.now() - from);
    await pause(WATCH_MS);
    effects.push(Math.max(0, watch.last() - from));
    await call(caisson.operator, operations.fenceLift, {
      body: { scope: "extension", id: HALTED },
    });
  }
  await watch.stop();
  return { acks, effects };
}

/** Calls the extension that is halted without a pause, and knows when it answered last. */
function watchAnswers(caisson: Caisson) {
  const seen = { last: 0, stopped: false };
  const caller = async () => {
    while (!seen.stopped) {
      const { status } = await caisson.call(caisson.north.key, `/api/ext/${HALTED}`);
      if (status === 200) seen.last = performance.now();
    }
  };
  const callers = Promise.all(Array.from({ length: CALLERS }, caller));
  return {
    last: () => seen.last,
    async answering() {
      const from = performance.now();
      await until("an answer", async () => (seen.last > from ? true : null));
    },
    async stop() {
      seen.stopped = true;
      await callers;
    },
  };
}

/** Does `work` while north calls the tiny extension as fast as it answers. */
async function whileFlooded<T>({ tiny }: Bench, work: () => Promise<T>): Promise<T> {
  const flooding = new AbortController();
  const flood = async () => {
    while (!flooding.signal.aborted)
      await load(tiny.url, tiny.key, {
        seconds: 1,
        connections: FLOOD_CONNECTIONS,
        core: LOAD_CORE,
      });
  };
  const flooded = flood();
  try {
    return await work();
  } finally {
    flooding.abort();
    await flooded;
  }
}

/** Endless loops on a machine with twice as many others as it has cores. */
async function overrunTimes(caisson: Caisson): Promise<Pair> {
  const others = Array.from({ length: 2 * cpus().length }, () =>
    spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }),
  );
  try {
    const overruns: number[] = [];
    const looper = async () => {
      for (let i = 0; i < LOOPS; i++) {
        const from = performance.now();
        const { code } = await caisson.call(caisson.north.key, "/api/ext/acme.bench-loop");
        if (code !== "deadline.exceeded") throw new Error(`a loop was answered with ${code}`);
        overruns.push(performance.now() - from - DEADLINE_MS);
      }
    };
    await Promise.all(Array.from({ length: LOOPERS }, looper));
    return { ours: p99(overruns), peer: DEADLINE_MS };
  } finally {
    for (const other of others) other.kill("SIGKILL");
  }
}

/** South's calls, one after the other, alone and while north floods the same gateway and sandbox. */
async function neighbourTimes(bench: Bench): Promise<Pair> {
  const times = async () => {
    const taken: number[] = [];
    for (let i = 0; i < NEIGHBOUR_CALLS; i++) {
      const from = performance.now();
      const { status } = await bench.caisson.call(
        bench.caisson.south.key,
        "/api/ext/acme.bench-tiny",
      );
      if (status !== 200) throw new Error(`the neighbour was answered with ${status}`);
      taken.push(performance.now() - from);
    }
    return p99(taken);
  };
  const peer = await times();
  return { ours: await whileFlooded(bench, times), peer };
}
