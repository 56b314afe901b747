import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import { pack } from "../e2e/caisson.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { childrenOf } from "../e2e/children.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";

const LONG_MS = 600_000;
/** So much later in each round the database is killed: an install takes it from its verdict to what the runner reports. */
const STEP_MS = 20;
const ROUNDS = 12;
let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
});
afterAll(() => caisson[Symbol.asyncDispose]());

/** Asked again for as long as the database does not answer; whatever else is said counts. */
async function asked<T>(work: () => Promise<T>): Promise<T> {
  return until("the database", () =>
    work().catch((error: { code?: string }) => {
      if (error.code === "store.unavailable") return null;
      throw error;
    }),
  );
}

async function killDatabase(afterMs: number): Promise<void> {
  await pause(afterMs);
  const [server = 0] = childrenOf(caisson.supervisorPid, "bin/postgres");
  process.kill(server, "SIGKILL");
}

/** What control answers to a question that it asks its database; 0 where it does not. */
async function whoami(): Promise<number> {
  const { url, key } = caisson.operator;
  const headers = { authorization: `Bearer ${key}` };
  const response = await fetch(new URL("/v1/whoami", url), { headers }).catch(() => null);
  await response?.arrayBuffer().catch(() => null);
  return response?.status ?? 0;
}

test(
  "control says so while its database is away, and works again when it is back",
  async () => {
    const control = caisson.pidOf("control");
    const asking = new AbortController();
    const said = new Set<number>();
    const askOn = async () => {
      while (!asking.signal.aborted) said.add(await whoami());
    };
    const askers = Array.from({ length: 8 }, askOn);
    for (let deaths = 0; deaths < 5; deaths++) {
      await killDatabase(STEP_MS);
      await until("it to be away", async () => ((await whoami()) === 503 ? true : null));
      await until("it to be back", async () => ((await whoami()) === 200 ? true : null));
    }
    asking.abort();
    await Promise.all(askers);
    expect(said).toEqual(new Set([200, 503]));
    expect(caisson.pidOf("control")).toBe(control);
  },
  LONG_MS,
);

test(
  "install: whenever the database dies, the install is ready in the end, and serves, by the same control and runner",
  async () => {
    const before = [caisson.pidOf("control"), caisson.pidOf("runner")];
    const params = { tenant: caisson.north.id };
    for (let round = 0; round < ROUNDS; round++) {
      const name = `away-${round}`;
      const artifact = caisson.sign(await pack({ name }));
      expect(await asked(() => caisson.publish(artifact))).toBe("admitted");
      const dying = killDatabase(round * STEP_MS);
      const body = { extension: `acme.${name}` };
      await asked(() => call(caisson.north, operations.install, { params, body }));
      await dying;
      const state = await until(`${name} to be ready or not`, async () => {
        const shown = await asked(() =>
          call(caisson.north, operations.installShow, { params: { ...params, ...body } }),
        );
        return shown.state === "building" ? null : `${shown.state} ${shown.failure ?? ""}`;
      });
      expect(state).toBe("ready ");
      await caisson.untilRouted(caisson.north, `acme.${name}`);
      expect((await caisson.call(caisson.north.key, `/api/ext/acme.${name}`)).status).toBe(200);
    }
    expect([caisson.pidOf("control"), caisson.pidOf("runner")]).toEqual(before);
  },
  LONG_MS,
);

test(
  "fence: whenever the database dies, a halt that was answered holds, and one that was not can be asked again",
  async () => {
    await caisson.serve({ name: "halted" });
    const target = { scope: "extension", id: "acme.halted" } as const;
    const answer = async () => (await caisson.call(caisson.north.key, "/api/ext/acme.halted")).code;
    for (let round = 0; round < ROUNDS; round++) {
      const dying = killDatabase(round * (STEP_MS / 4));
      const halt = () =>
        call(caisson.operator, operations.fenceSet, { body: { ...target, reason: "test" } });
      await asked(halt);
      expect(await answer()).toBe("call.halted");
      await dying;
      await asked(() => call(caisson.operator, operations.fenceLift, { body: target })).catch(
        (error: { code?: string }) => expect(error.code).toBe("fence.unknown"),
      );
      await until("it to be served again", async () => ((await answer()) === "" ? true : null));
    }
  },
  LONG_MS,
);
