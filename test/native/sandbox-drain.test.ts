import { expect, test } from "vitest";
import { until } from "../e2e/until.ts";
import { grantFor, guestCode, Rig } from "./harness.ts";

/** More than the second after which a turn counts as stuck. */
const STUCK_MS = 1_500;

test("sandbox whose thread stood still past a call's deadline ends the call when it comes back (rung 3)", async () => {
  await using rig = await Rig.start();
  const loop = rig.call(await rig.admit("loop"), { deadlineMicros: 500_000 });
  await rig.answer(Buffer.alloc(16, 99)); // a refusal comes back after the call before it was taken in
  process.kill(rig.sandbox.pid, "SIGSTOP");
  const from = performance.now();
  await until("the bound to pass", async () => performance.now() - from > STUCK_MS || null);
  process.kill(rig.sandbox.pid, "SIGCONT");
  expect((await loop.answer).result).toMatchObject({
    outcome: "deadline",
    rung: 3,
    code: "deadline.exceeded",
  });
  expect((await rig.answer(await rig.admit("hello"))).body).toBe("hello\n");
});

test("sandbox that drains says so on its lines, refuses what comes, lets what runs end well, and ends", async () => {
  await using rig = await Rig.start();
  const load = await rig.sandbox.load(await guestCode("echo"));
  const grant = grantFor(load.id, Buffer.alloc(16, 1));
  await rig.sandbox.grant(grant);
  const running = rig.open(grant.handle);
  await rig.answer(Buffer.alloc(16, 99)); // a refusal comes back after the call before it was taken in
  expect(rig.client.taking).toBe(true);
  await rig.sandbox.drain();
  expect((await rig.answer(grant.handle)).result).toMatchObject({
    outcome: "refused",
    code: "runner.draining",
  });
  expect(rig.client.taking).toBe(false);
  running.call.write(Buffer.from("before"));
  running.call.end();
  expect((await running.answer).body).toBe("before");
  expect(await rig.exit).toMatchObject({ status: 0, signal: null });
});
