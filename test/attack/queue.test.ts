import { request } from "node:http";
import type { ClientRequest } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";
import { Rig } from "../native/harness.ts";

/** As many calls as a tenant may have at once, over installs that may have 32 each. */
const INSTALLS = 4;
const EACH = 32;
const CALM = "/api/ext/acme.calm";

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson({ CAISSON_LOG_CALLS: "none", EXT_GATEWAY_TIMEOUT_MS: "30000" });
  await caisson.serve({ name: "calm" });
  await caisson.install(caisson.south, "acme.calm");
  await caisson.untilRouted(caisson.south, "acme.calm");
  for (let n = 0; n < INSTALLS; n++)
    await caisson.serve({ name: `loop-${n}`, guest: "loop", limits: { deadlineMs: 30_000 } });
});
afterAll(() => caisson[Symbol.asyncDispose]());

async function openCalls(): Promise<number> {
  const operations = caisson.gatewayPort - 1 + 12;
  const text = await (await fetch(`http://127.0.0.1:${operations}/metrics`)).text();
  return Number(/^caisson_gateway_open_calls (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}

/** Calls of north that end with their deadline, half a minute on. */
function flood(onAnswer: () => void): ClientRequest[] {
  return Array.from({ length: INSTALLS * EACH }, (_, n) => {
    const sent = request({
      host: "127.0.0.1",
      port: caisson.gatewayPort,
      agent: false,
      path: `/api/ext/acme.loop-${n % INSTALLS}`,
      headers: { authorization: `Bearer ${caisson.north.key}` },
    });
    sent.on("response", onAnswer).on("error", () => {});
    return sent.end();
  });
}

test("as many calls of one tenant that do end are all answered [QUEUE-SLOTS twin]", async () => {
  const answers = await Promise.all(
    Array.from({ length: EACH }, () => caisson.call(caisson.north.key, CALM)),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
});

test("a tenant whose calls do not end leaves room for another's, which are all answered meanwhile [QUEUE-SLOTS]", async () => {
  let answered = 0;
  const flooding = flood(() => answered++);
  try {
    await until("all to be inside", async () =>
      (await openCalls()) === INSTALLS * EACH ? true : null,
    );
    // Up to the first that fails: each of those waits for as long as a call may.
    let code = "";
    for (let n = 0; n < 40 && code === ""; n++)
      ({ code } = await caisson.call(caisson.south.key, CALM));
    expect(code).toBe("");
    expect(answered).toBe(0);
  } finally {
    for (const each of flooding) each.destroy();
  }
});

const LONG = { deadlineMicros: 60_000_000 };
const GRANT = { deadlineMs: 60_000 };

/** One slot is held; then a tenant comes with more calls than there is room for, and `others` of another tenant after it. */
async function fullQueue(others: number): Promise<{ first: string[]; second: string[] }> {
  await using rig = await Rig.start({ slots: 1, queue: 8 });
  const loop = await rig.admit("loop", { ...GRANT, tenant: Buffer.alloc(8, 3) });
  const of = (tenant: number) => rig.admit("hello", { ...GRANT, tenant: Buffer.alloc(8, tenant) });
  const [first, second] = [await of(1), await of(2)];
  const held = rig.call(loop, LONG);
  const codes = (handle: Uint8Array, count: number) =>
    Array.from({ length: count }, async () => {
      const { result } = await rig.answer(handle, LONG);
      return result.outcome === "done" ? "done" : result.code;
    });
  const [ofFirst, ofSecond] = [codes(first, 20), codes(second, others)];
  await rig.answer(Buffer.alloc(16, 99)); // a refusal comes back after the calls before it were taken in
  held.call.cancel("client");
  return { first: await Promise.all(ofFirst), second: await Promise.all(ofSecond) };
}

function times(code: string, count: number): string[] {
  return Array.from({ length: count }, () => code);
}

test("a full queue sheds the newest calls of who waits with most, for another tenant's [QUEUE-SHED]", async () => {
  const { first, second } = await fullQueue(3);
  expect(second).toEqual(times("done", 3));
  expect(first).toEqual([...times("done", 5), ...times("runner.capacity", 15)]);
});

test("a tenant that has the queue for itself has all of it [QUEUE-SHED twin]", async () => {
  const { first } = await fullQueue(0);
  expect(first).toEqual([...times("done", 8), ...times("runner.capacity", 12)]);
});
