import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandom } from "../fakes/releases.ts";
import type { Caisson } from "./caisson.ts";
import { childrenOf } from "./children.ts";
import { startCaisson } from "./start-caisson.ts";
import { until } from "./until.ts";

const CANCELS = 1_000;
const AT_ONCE = 24;
const LONG_MS = 300_000;
const BODY = Buffer.alloc(256 * 1_024, "x");

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson({ CAISSON_LOG_CALLS: "none" });
  const endpoints = [{ method: "POST", path: "/" }];
  await caisson.serve({ name: "echoes", guest: "echo", endpoints, limits: { deadlineMs: 20_000 } });
  await caisson.serve({ name: "loops", guest: "loop", limits: { deadlineMs: 20_000 } });
});
afterAll(() => caisson[Symbol.asyncDispose]());

function sandboxPid(): number {
  return childrenOf(caisson.pidOf("runner"), "caisson-sandbox")[0] ?? 0;
}

async function openCalls(): Promise<number> {
  const operations = caisson.gatewayPort - 1 + 12;
  const text = await (await fetch(`http://127.0.0.1:${operations}/metrics`)).text();
  return Number(/^caisson_gateway_open_calls (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}

/** A call whose client goes away: at once, with half of its body sent, while the guest runs, or while the answer comes. */
function abandoned(random: () => number): Promise<void> {
  const echo = random() < 0.6;
  const after = random() * 12;
  return new Promise((resolve) => {
    const sent = request({
      port: caisson.gatewayPort,
      host: "127.0.0.1",
      agent: false,
      path: echo ? "/api/ext/acme.echoes" : "/api/ext/acme.loops",
      method: echo ? "POST" : "GET",
      headers: {
        authorization: `Bearer ${caisson.north.key}`,
        ...(echo ? { "content-length": String(BODY.length) } : {}),
      },
    });
    sent.on("response", (response) => response.on("data", () => {}).on("error", () => {}));
    sent.on("error", () => {}).once("close", () => resolve());
    if (echo) sent.write(BODY.subarray(0, Math.floor(random() * BODY.length)));
    else sent.end();
    setTimeout(() => sent.destroy(), after);
  });
}

test(
  "a thousand clients that go away at random points leave no slot taken, no call inside and the same sandbox",
  async () => {
    const before = sandboxPid();
    const random = seededRandom(11);
    let left = CANCELS;
    const work = async () => {
      while (left-- > 0) await abandoned(random);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    await until("every call to be over", async () => ((await openCalls()) === 0 ? true : null));
    expect(sandboxPid()).toBe(before);
    // As many as an install may have at once: a slot that was kept would refuse one.
    const answers = await Promise.all(
      Array.from({ length: 32 }, () =>
        caisson.call(caisson.north.key, "/api/ext/acme.echoes", { method: "POST", body: BODY }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(answers.every(({ body }) => body.length === BODY.length)).toBe(true);
  },
  LONG_MS,
);

test("a client that goes away frees its slot long before the deadline", async () => {
  const gone = Array.from({ length: 32 }, () => {
    const sent = request({
      port: caisson.gatewayPort,
      host: "127.0.0.1",
      agent: false,
      path: "/api/ext/acme.loops",
      headers: { authorization: `Bearer ${caisson.north.key}` },
    });
    sent.on("error", () => {}).end();
    return sent;
  });
  await until("all to be inside", async () => ((await openCalls()) === 32 ? true : null));
  const full = await caisson.call(caisson.north.key, "/api/ext/acme.loops");
  expect(full.code).toBe("quota.concurrency");
  for (const sent of gone) sent.destroy();
  await until(
    "the slots to be free",
    async () => ((await openCalls()) === 0 ? true : null),
    15_000,
  );
});
