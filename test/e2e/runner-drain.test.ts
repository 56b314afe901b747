import { existsSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Caisson } from "./caisson.ts";
import { currentSandbox, heldCall, untilSpareReady } from "./sandboxes.ts";
import { startCaisson } from "./start-caisson.ts";
import { until } from "./until.ts";

const TARGET = "/api/ext/acme.echoes";

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
  const endpoints = [{ method: "POST", path: "/" }];
  await caisson.serve({ name: "echoes", guest: "echo", endpoints, limits: { deadlineMs: 30_000 } });
});
afterAll(() => caisson[Symbol.asyncDispose]());

function echo() {
  return caisson.call(caisson.north.key, TARGET, { method: "POST", body: Buffer.from("x") });
}

test("a runner that is asked to stop takes no new call, loses none that runs, and another one serves on", async () => {
  const runner = caisson.pidOf("runner");
  await untilSpareReady(caisson);
  const { pid: sandbox } = await currentSandbox(caisson);
  const held = Array.from({ length: 8 }, () => heldCall(caisson, TARGET));
  // Calls go in order: with this one answered, those before are inside.
  expect((await echo()).status).toBe(200);
  process.kill(runner, "SIGTERM");
  await until("new calls to be refused", async () =>
    (await echo()).code === "runner.lost" ? true : null,
  );
  expect(existsSync(`/proc/${sandbox}`)).toBe(true);
  for (const call of held) call.finish();
  const answers = await Promise.all(held.map(({ answer }) => answer));
  expect(answers.map(({ status, body }) => ({ status, body }))).toEqual(
    answers.map(() => ({ status: 200, body: "beforebehind" })),
  );
  await until("another runner to serve", async () => ((await echo()).status === 200 ? true : null));
  expect(caisson.pidOf("runner")).not.toBe(runner);
  expect(existsSync(`/proc/${sandbox}`)).toBe(false);
});

test("a sandbox that ends is replaced by the spare, which has the same grants", async () => {
  await untilSpareReady(caisson);
  const before = await currentSandbox(caisson);
  process.kill(before.pid, "SIGKILL");
  await until("an answer", async () => ((await echo()).status === 200 ? true : null));
  expect((await currentSandbox(caisson)).pid).not.toBe(before.pid);
  await untilSpareReady(caisson);
});
