import { expect, test } from "vitest";
import type { CallResult } from "#contract";
import { lastAnswer, until } from "../e2e/until.ts";
import { grantFor, guestCode, Rig } from "./harness.ts";

/** More than the second after which a turn counts as stuck. */
const STUCK_MS = 1_500;

/** Stops the process under a guest that loops, for longer than the guest has; how the call ended. */
async function endOfStoppedLoop(rig: Rig, handle: Uint8Array): Promise<CallResult> {
  const loop = rig.call(handle, { deadlineMicros: 500_000 });
  await rig.answer(Buffer.alloc(16, 99)); // a refusal comes back after the call before it was taken in
  process.kill(rig.sandbox.pid, "SIGSTOP");
  const from = performance.now();
  await until("the bound to pass", async () => performance.now() - from > STUCK_MS || null);
  process.kill(rig.sandbox.pid, "SIGCONT");
  return (await loop.answer).result;
}

test("sandbox whose thread stood still past a call's deadline ends the call when it comes back (rung 3)", async () => {
  await using rig = await Rig.start();
  const handle = await rig.admit("loop");
  // The signal may come between two turns, or after the deadline: then rung 1 ended the call.
  const result = await lastAnswer(
    () => endOfStoppedLoop(rig, handle),
    ({ rung }) => rung === 3,
    60_000,
  );
  expect(result).toMatchObject({ outcome: "deadline", rung: 3, code: "deadline.exceeded" });
  expect((await rig.answer(await rig.admit("hello"))).body).toBe("hello\n");
}, 120_000);

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
