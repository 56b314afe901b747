import { existsSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Caisson } from "./caisson.ts";
import { childrenOf } from "./children.ts";
import { startCaisson } from "./start-caisson.ts";
import { until } from "./until.ts";

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
  await caisson.serve({ name: "steady" });
});
afterAll(() => caisson[Symbol.asyncDispose]());

function pidOf(name: "control" | "runner" | "gateway"): number {
  try {
    return caisson.pidOf(name);
  } catch {
    return 0; // between two lives
  }
}

async function restart(name: "runner" | "gateway"): Promise<void> {
  const before = pidOf(name);
  const sandboxes = name === "runner" ? childrenOf(before, "caisson-sandbox") : [];
  process.kill(before, "SIGKILL");
  await until(`another ${name}`, () =>
    Promise.resolve(pidOf(name) !== 0 && pidOf(name) !== before ? true : null),
  );
  // The old sandbox answers until it has seen that its parent is gone.
  await until("the old sandbox to be gone", () =>
    Promise.resolve(sandboxes.some((pid) => existsSync(`/proc/${pid}`)) ? null : true),
  );
}

function untilAnswers(): Promise<true> {
  return until(
    "the extension to answer",
    async () =>
      (await caisson.call(caisson.north.key, "/api/ext/acme.steady")).status === 200 ? true : null,
    20_000,
  );
}

test("gateway and runner restarted while control does not answer serve what they had verified", async () => {
  const control = pidOf("control");
  process.kill(control, "SIGSTOP");
  try {
    await restart("gateway");
    await untilAnswers();
    await restart("runner");
    await untilAnswers();
  } finally {
    process.kill(control, "SIGCONT");
  }
});

test("records of calls made while control was away are ingested once it is back, each once", async () => {
  const control = pidOf("control");
  process.kill(control, "SIGSTOP");
  const counted = 7;
  for (let i = 0; i < counted; i++)
    expect(
      (
        await caisson.call(caisson.north.key, "/api/ext/acme.steady", {
          headers: { "x-ext-marker": "1" },
        })
      ).status,
    ).toBe(200);
  process.kill(pidOf("gateway"), "SIGKILL");
  process.kill(control, "SIGCONT");
  await until("the records", async () => {
    const [row] = await caisson.sql(
      "select (select count(*) from extension_execution_log where outcome = 'done') as n, (select sum(invocations) from extension_quota_usage) as used",
    );
    const [{ n: all } = { n: "0" }] = await caisson.sql(
      "select count(*) as n from extension_execution_log",
    );
    return Number(row?.n) >= counted && row?.used === all ? true : null;
  });
});
