import { afterAll, beforeAll, expect, test } from "vitest";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";
import { Rig, grantFor, guestCode } from "../native/harness.ts";

const PLENTY = 10_000_000;
let caisson: Caisson;
/** What the guest uses. */
let needed = 0;
beforeAll(async () => {
  caisson = await startCaisson();
  await caisson.serve({ name: "uncounted" });
  await caisson.serve({ name: "counted", limits: { fuel: PLENTY } });
  await until("the gateway to reach the sandbox that counts", async () => {
    const { status } = await caisson.call(caisson.north.key, "/api/ext/acme.counted");
    return status === 200 ? true : null;
  });
  [needed = 0] = await fuels("acme.counted", 1);
});
afterAll(() => caisson[Symbol.asyncDispose]());

/** Fuel of the calls that the extension has answered, as their records tell it. */
async function fuels(extension: string, count: number): Promise<number[]> {
  return until(`${count} records`, async () => {
    const rows = await caisson.sql(
      "select fuel::int as fuel from extension_execution_log where extension_id = $1 and outcome = 'done'",
      [extension],
    );
    return rows.length >= count ? rows.map(({ fuel }) => Number(fuel)) : null;
  });
}

/** The same guest under a name and a grant of its own. */
async function callWith(name: string, fuel: number): Promise<{ status: number; code: string }> {
  await caisson.serve({ name, limits: { fuel } });
  const { status, code } = await caisson.call(caisson.north.key, `/api/ext/acme.${name}`);
  return { status, code };
}

test("the same call uses the same fuel, and one without a limit has none counted", async () => {
  for (let i = 0; i < 20; i++) await caisson.call(caisson.north.key, "/api/ext/acme.counted");
  await caisson.call(caisson.north.key, "/api/ext/acme.uncounted");
  expect(new Set(await fuels("acme.counted", 21))).toEqual(new Set([needed]));
  expect(needed).toBeGreaterThan(0);
  expect(await fuels("acme.uncounted", 1)).toEqual([0]);
});

test("call ends a guest whose fuel is one unit short of what it needs [GUEST-FUEL]", async () => {
  expect(await callWith("short", needed - 1)).toEqual({ status: 500, code: "guest.fuel" });
});

test("call serves a guest that has exactly the fuel it needs [GUEST-FUEL twin]", async () => {
  expect(await callWith("enough", needed)).toEqual({ status: 200, code: "" });
});

test("install refuses more fuel than the extension asks for [INSTALL-FUEL]", async () => {
  const said = await caisson.install(caisson.south, "acme.counted", { fuel: PLENTY + 1 });
  expect(said).toContain("grant.wider");
});

test("install grants the fuel that it asks for [INSTALL-FUEL twin]", async () => {
  expect(await caisson.install(caisson.south, "acme.counted", { fuel: PLENTY })).toBe("ready");
});

test("a sandbox that counts no fuel takes no grant with fuel [SANDBOX-CLASS]", async () => {
  await using rig = await Rig.start();
  const load = await rig.sandbox.load(await guestCode("hello"));
  const said = await rig.sandbox.grant(grantFor(load.id, Buffer.alloc(16, 1), { fuel: 1 })).then(
    () => "granted",
    (error: { reason?: string }) => error.reason,
  );
  expect(said).toBe("grant.class");
});

test("a sandbox that counts fuel takes it [SANDBOX-CLASS twin]", async () => {
  await using rig = await Rig.start({ runnerClass: "fuel" });
  const load = await rig.sandbox.load(await guestCode("hello", "fuel"));
  const said = await rig.sandbox.grant(grantFor(load.id, Buffer.alloc(16, 1), { fuel: 1 })).then(
    () => "granted",
    (error: { reason?: string }) => error.reason,
  );
  expect(said).toBe("granted");
});
