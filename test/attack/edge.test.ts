import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { send } from "../e2e/caisson.ts";
import { RemoteMachine } from "../e2e/remote-runner.ts";
import { runCli } from "../e2e/run-cli.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { prepare, start } from "../e2e/start-production.ts";
import { lastAnswer, until } from "../e2e/until.ts";

const [SETTLE_MS, ANSWER_MS] = [5_000, 60_000];
const TARGET = "/api/ext/acme.far/";
let machine: RemoteMachine;
let caisson: Caisson;
beforeAll(async () => {
  machine = await RemoteMachine.prepare();
  caisson = await startCaisson({ RUNNER_BASE_URL: machine.url, CAISSON_RUNNER_CA: machine.ca });
  await enrol(machine, "runner", "far", "--url", machine.url);
  machine.start();
  await caisson.serve({ name: "far", limits: { deadlineMs: 20_000 } });
});
afterAll(async () => {
  await caisson?.[Symbol.asyncDispose]();
  await machine?.[Symbol.asyncDispose]();
});

async function enrol(
  at: RemoteMachine,
  kind: "runner" | "gateway",
  name: string,
  ...more: string[]
) {
  const args = ["edge", "enrol", "--kind", kind, "--name", name, "--out", at.enrolment(kind)];
  const run = await runCli([...args, ...more], {
    CAISSON_URL: caisson.operator.url,
    CAISSON_KEY_FILE: join(caisson.data, "keys/operator.key"),
  });
  if (run.exit !== 0) throw new Error(run.err);
}

/** Whether an edge's open line ends, and what its token opens then. */
async function lineOf(name: string, removed: boolean): Promise<string> {
  const { token } = await call(caisson.operator, operations.edgeEnrol, {
    body: { kind: "gateway", name },
  });
  const open = () =>
    fetch(new URL("/v1/edge/stream", caisson.operator.url), {
      headers: { authorization: `Bearer ${token}` },
    });
  const response = await open();
  const ended = new Response(response.body).arrayBuffer().then(
    () => "ended",
    () => "ended",
  );
  if (removed) await call(caisson.operator, operations.edgeRemove, { params: { edge: name } });
  const state = () => Promise.race([ended, new Promise<string>((r) => setTimeout(r, 0, "open"))]);
  const line = await lastAnswer(state, (said) => !removed || said === "ended");
  const again = await open();
  await again.body?.cancel();
  return `${line}, ${again.status}`;
}

test("a removed edge's lines to control end, and its token opens nothing [EDGE-REMOVED]", async () => {
  expect(await lineOf("removed", true)).toBe("ended, 401");
});

test("an enrolled edge's lines stay open, and its token opens more [EDGE-REMOVED twin]", async () => {
  expect(await lineOf("kept", false)).toBe("open, 200");
});

/** How a runner starts whose enrolment leads to control at this address. */
async function startWith(url: string): Promise<string> {
  await using far = await RemoteMachine.prepare();
  const enrolment = JSON.parse(await readFile(machine.enrolment("runner"), "utf8")) as object;
  await writeFile(far.enrolment("runner"), JSON.stringify({ ...enrolment, url, ca: null }));
  far.start({});
  return await until("its start or its refusal", async () => {
    if (far.output.includes("Ctrl-C stops everything")) return "started";
    return /enrolment\.invalid/.test(far.output) ? "enrolment.invalid" : null;
  });
}

test("an edge starts with no enrolment that leads to control in the clear over a network [EDGE-PLAIN]", async () => {
  expect(await startWith("http://192.0.2.1:8700")).toBe("enrolment.invalid");
});

test("an edge starts with an enrolment that leads to control on its own machine [EDGE-PLAIN twin]", async () => {
  expect(await startWith("http://127.0.0.1:1")).toBe("started");
});

/** Whether a runner of another machine gets through to control in production, with its own authority named or another. */
async function connectedIn(authority: "own" | "other"): Promise<boolean> {
  await using prepared = await prepare();
  await using far = await RemoteMachine.prepare();
  await using run = start(prepared.settings);
  if ((await run.outcome) !== "started") throw new Error(run.output());
  const env = {
    CAISSON_URL: `https://localhost:${prepared.port}`,
    CAISSON_CA: prepared.cert,
    CAISSON_KEY_FILE: prepared.settings["CAISSON_OPERATOR_KEY_FILE"] ?? "",
  };
  const ca = authority === "own" ? prepared.cert : far.ca;
  const args = ["--kind", "runner", "--name", "far", "--out", far.enrolment("runner"), "--ca", ca];
  expect((await runCli(["edge", "enrol", ...args], env)).exit).toBe(0);
  far.start({});
  const failed = () => far.output.split("\n").some((line) => line.includes('"link.lost"'));
  return await until("it to get through or not", async () => {
    const { out } = await runCli(["edge", "list"], env);
    if (/far\s+runner\s+\S+\s+yes/.test(out)) return true;
    return failed() ? false : null;
  });
}

test("an edge sends its token to no control whose certificate is of another authority than its enrolment names [EDGE-AUTHORITY]", async () => {
  expect(await connectedIn("other")).toBe(false);
});

test("an edge speaks to a control whose certificate is of the authority that its enrolment names [EDGE-AUTHORITY twin]", async () => {
  expect(await connectedIn("own")).toBe(true);
});

/** What a gateway of another machine answers that trusts this authority for its runner. */
async function answerTrusting(name: string, ca: string): Promise<number | string> {
  await using third = await RemoteMachine.prepare();
  await enrol(third, "gateway", name);
  third.start({
    CAISSON_MODE: "development",
    RUNNER_BASE_URL: machine.url,
    CAISSON_RUNNER_CA: ca === "" ? third.ca : ca,
  });
  const headers = { authorization: `Bearer ${caisson.north.key}` };
  await until("it to know the install", async () => {
    const { code } = await send(third.port + 1, `${TARGET}nowhere`, { headers });
    return code === "endpoint.unknown" ? true : null;
  });
  const ask = () => send(third.port + 1, TARGET, { headers });
  // Long for what is to be answered, a while for what is not.
  const withinMs = ca === "" ? SETTLE_MS : ANSWER_MS;
  const { status, code } = await lastAnswer(ask, (said) => said.status === 200, withinMs);
  return code === "" ? status : code;
}

test("a gateway calls no runner whose certificate is of another authority than it was told [EDGE-RUNNER]", async () => {
  expect(await answerTrusting("mistrusting", "")).toBe("runner.lost");
});

test("a gateway calls a runner whose certificate is of the authority that it was told [EDGE-RUNNER twin]", async () => {
  expect(await answerTrusting("trusting", machine.ca)).toBe(200);
});
