import { existsSync } from "node:fs";
import { call as ask, operations } from "../../src/core/http-api/index.ts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Caisson } from "../e2e/caisson.ts";
import {
  currentSandbox,
  heldCall,
  runnerMetric,
  standsStill,
  untilReplaced,
  untilSpareReady,
} from "../e2e/sandboxes.ts";
import { sandboxPlace } from "../e2e/sandbox-place.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { lastAnswer, until } from "../e2e/until.ts";
import { connect, startCall } from "../native/harness.ts";

const ECHO = "/api/ext/acme.echoes";
const HELLO = "/api/ext/acme.neighbour";
/** Longer than a process that does not come back is waited for, by a lot. */
const LONGER_MS = 20_000;

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
  const endpoints = [{ method: "POST", path: "/" }];
  await caisson.serve({ name: "echoes", guest: "echo", endpoints, limits: { deadlineMs: 30_000 } });
  await caisson.serve({ name: "neighbour" });
});
afterAll(() => caisson[Symbol.asyncDispose]());
beforeEach(() => untilSpareReady(caisson));

/** Runs with one call inside the sandbox, whose threads stand still from then on. */
async function whileStill<T>(
  work: (still: { socket: string; pid: number }, call: ReturnType<typeof heldCall>) => Promise<T>,
): Promise<T> {
  const call = heldCall(caisson, ECHO);
  const sandbox = await currentSandbox(caisson);
  await untilInside();
  process.kill(sandbox.pid, "SIGSTOP");
  await until("it to stand still", async () => (standsStill(sandbox.pid) ? true : null));
  try {
    return await work(sandbox, call);
  } finally {
    if (isThere(sandbox.pid)) process.kill(sandbox.pid, "SIGCONT");
    call.finish();
    await call.answer;
  }
}

function isThere(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Calls to the gateway go in order: with this one answered, the one before is inside. */
async function untilInside(): Promise<void> {
  await until("the call to be inside", async () => {
    const operations = caisson.gatewayPort - 1 + 12;
    const text = await (await fetch(`http://127.0.0.1:${operations}/metrics`)).text();
    return /^caisson_gateway_open_calls 1$/m.test(text) ? true : null;
  });
  expect((await caisson.call(caisson.north.key, HELLO)).status).toBe(200);
}

/** The status of the last of the neighbour's calls: 200, or what came for a while. */
function neighbour(): Promise<number> {
  return lastAnswer(
    async () => (await caisson.call(caisson.north.key, HELLO)).status,
    (status) => status === 200,
    LONGER_MS,
  );
}

test("a sandbox that does not come back takes no new calls: the spare answers them [LADDER-LEAVE]", async () => {
  await whileStill(async (still) => {
    await untilReplaced(caisson, still);
    expect(await neighbour()).toBe(200);
    expect(isThere(still.pid) && standsStill(still.pid), "it is there still").toBe(true);
  });
});

test("a sandbox that answers, however busy, is not replaced [LADDER-LEAVE twin]", async () => {
  await caisson.serve({ name: "loops", guest: "loop", limits: { deadlineMs: 3_000 } });
  const before = await currentSandbox(caisson);
  const loops = Array.from({ length: 16 }, () =>
    caisson.call(caisson.north.key, "/api/ext/acme.loops"),
  );
  expect(await neighbour()).toBe(200);
  const answers = await Promise.all(loops);
  expect(answers.map(({ code }) => code)).toEqual(answers.map(() => "deadline.exceeded"));
  expect(await currentSandbox(caisson)).toEqual(before);
});

/** A call with a second to live, in a sandbox that stands still. */
async function callInside(comesBack: boolean): Promise<string> {
  return whileStill(async (still) => {
    const answer = caisson.call(caisson.north.key, HELLO);
    if (comesBack) process.kill(still.pid, "SIGCONT");
    const { status, code } = await answer;
    return code === "" ? String(status) : code;
  });
}

test("a call inside a sandbox that does not come back is answered when its deadline is over [LADDER-DEADLINE]", async () => {
  expect(await callInside(false)).toBe("deadline.exceeded");
});

test("a call inside a sandbox that comes back before its deadline is answered by the extension [LADDER-DEADLINE twin]", async () => {
  expect(await callInside(true)).toBe("200");
});

/** Of the execution under this request id, as control has it. */
async function recordOf(requestId: string): Promise<Record<string, unknown>> {
  return await until("the record", async () => {
    const [row] = await caisson.sql(
      "select outcome, code, rung from extension_execution_log where request_id = $1::uuid",
      [requestId.replace(/^[a-z]+_/, "")],
    );
    return row ?? null;
  });
}

test("a sandbox that does not come back at all is killed, and its calls say so, on record with the rung [LADDER-KILL]", async () => {
  const { pid, answer } = await whileStill(async (still, call) => {
    const ended = await lastAnswer(
      async () => isThere(still.pid),
      (there) => !there,
      LONGER_MS,
    );
    expect(ended, "it is there still").toBe(false);
    return { pid: still.pid, answer: await call.answer };
  });
  expect(answer.status).toBe(503);
  expect(await recordOf(answer.requestId)).toEqual({
    outcome: "lost",
    code: "runner.lost",
    rung: 4,
  });
  expect(caisson.output).toContain(`"pid":${pid},"rung":4`);
  expect(await neighbour()).toBe(200);
});

test("a sandbox that comes back in time ends the calls inside well, and then itself [LADDER-KILL twin]", async () => {
  const killed = await runnerMetric(caisson, 'caisson_sandbox_rungs_total{rung="4"}');
  const { pid, answer } = await whileStill(async (still, call) => {
    await untilReplaced(caisson, still);
    process.kill(still.pid, "SIGCONT");
    call.finish();
    return { pid: still.pid, answer: await call.answer };
  });
  expect(answer).toMatchObject({ status: 200, body: "beforebehind" });
  await until("the process to end", async () => (isThere(pid) ? null : true));
  expect(await runnerMetric(caisson, 'caisson_sandbox_rungs_total{rung="4"}')).toBe(killed);
  expect(await recordOf(answer.requestId)).toMatchObject({ outcome: "done", rung: 0 });
});

/** What the sandbox that takes calls now says to a call under the install's handle. */
async function asked(extension: string): Promise<string> {
  const { handle } = await ask(caisson.north, operations.installShow, {
    params: { tenant: caisson.north.id, extension },
  });
  const { socketPath, secret } = await sandboxPlace(caisson.runtime);
  using client = await connect(socketPath, secret);
  const { result } = await startCall(client, Buffer.from(handle, "hex"), {}).answer;
  return result.outcome === "done" ? "done" : result.code;
}

/** Serves it, has the spare take over, and asks that one. before: what happens while the spare waits. */
async function askedOfSpare(name: string, before: () => Promise<void>): Promise<string> {
  await caisson.serve({ name });
  // A runner works on snapshots in order, the spare after the one that serves.
  await caisson.serve({ name: `${name}-next` });
  await untilSpareReady(caisson);
  await before();
  const first = await currentSandbox(caisson);
  process.kill(first.pid, "SIGKILL");
  await untilReplaced(caisson, first);
  return asked(`acme.${name}`);
}

async function halt(id: string): Promise<readonly string[]> {
  const body = { scope: "extension", id, reason: "a test" } as const;
  return (await ask(caisson.operator, operations.fenceSet, { body })).missing;
}

test("a halt is in force in the spare and in a sandbox that leaves when it is acknowledged [LADDER-FENCE]", async () => {
  const said = await askedOfSpare("halted", async () => {
    expect(await halt("acme.halted")).toEqual([]);
  });
  expect(said).toBe("handle.unknown");
  await untilSpareReady(caisson);
  await whileStill(async (still) => {
    await untilReplaced(caisson, still);
    expect(await halt("acme.halted-next")).toEqual([]);
    expect(isThere(still.pid), "what is halted may run there").toBe(false);
  });
});

test("what is not halted runs in the spare when that one takes over [LADDER-FENCE twin]", async () => {
  expect(await askedOfSpare("running", async () => {})).toBe("done");
});
