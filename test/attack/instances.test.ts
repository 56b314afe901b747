import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { SignedArtifact } from "../../src/kit/index.ts";
import { pack } from "../e2e/caisson.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";
import { engineComponent, SEEDED, SILENT_SOURCE, samplingSource } from "./engine-component.ts";
import { bundleOf, flipSignature } from "./forge.ts";
import { attachBundle } from "../../src/kit/index.ts";

const LIMITS = { memoryBytes: 16_777_216, deadlineMs: 5_000 };
let caisson: Caisson;
let frozen: Uint8Array;
let seeded: Uint8Array;
let silent: Uint8Array;
beforeAll(async () => {
  caisson = await startCaisson();
  frozen = await engineComponent(samplingSource(""));
  seeded = await engineComponent(samplingSource(SEEDED));
  silent = await engineComponent(SILENT_SOURCE);
});
afterAll(() => caisson[Symbol.asyncDispose]());

async function signed(name: string, component: Uint8Array): Promise<SignedArtifact> {
  return caisson.sign(await pack({ name, component, limits: LIMITS }));
}

function wasTried({ digest }: SignedArtifact): boolean {
  return caisson.output
    .split("\n")
    .some((line) => line.includes('"trial.ended"') && line.includes(digest));
}

test("publish refuses an extension whose fresh instances draw the same numbers [INSTANCE-ALIKE]", async () => {
  const artifact = await signed("alike", frozen);
  expect(await caisson.publish(artifact)).toBe("refused: publish.refused instances.alike");
  const { items } = await call(caisson.operator, operations.artifactList, {
    query: { extension: "acme.alike" },
  });
  expect(items).toEqual([]);
});

test("publish admits one whose fresh instances differ [INSTANCE-ALIKE twin]", async () => {
  expect(await caisson.publish(await signed("differing", seeded))).toBe("admitted");
});

test("publish refuses an engine with a frozen generator that gives no samples [INSTANCE-SAMPLES]", async () => {
  const said = await caisson.publish(await signed("silent", silent));
  expect(said).toBe("refused: publish.refused instances.unsampled");
});

test("publish admits the same engine when it gives samples [INSTANCE-SAMPLES twin]", async () => {
  expect(await caisson.publish(await signed("sampled", seeded))).toBe("admitted");
});

test("what another step refuses is not run to be tried [INSTANCE-PROVEN]", async () => {
  const good = await signed("unproven", seeded);
  const forged = attachBundle(good, flipSignature(bundleOf(good)));
  expect(await caisson.publish(forged)).toContain("signature.invalid");
  expect(wasTried(forged)).toBe(false);
});

test("what all other steps allow is run to be tried [INSTANCE-PROVEN twin]", async () => {
  const good = await signed("proven", seeded);
  const same = attachBundle(good, bundleOf(good));
  expect(await caisson.publish(same)).toBe("admitted");
  expect(wasTried(same)).toBe(true);
});

test("an edge of another kind neither hears of trials nor answers one [INSTANCE-RUNNER]", async () => {
  const token = await edgeToken("gateway");
  expect(await trialStatus(token, "GET")).toBe(403);
  expect(await trialStatus(token, "POST")).toBe(403);
});

test("a runner may do both [INSTANCE-RUNNER twin]", async () => {
  const token = await edgeToken("runner");
  expect(await trialStatus(token, "GET")).toBe(200);
  expect(await trialStatus(token, "POST")).toBe(200);
});

async function edgeToken(kind: string): Promise<string> {
  return (await readFile(join(caisson.data, `edge/${kind}.token`), "utf8")).trim();
}

/** The answer names a trial that nobody asked for. */
async function trialStatus(token: string, method: "GET" | "POST"): Promise<number> {
  const stop = new AbortController();
  const response = await fetch(new URL("/v1/edge/trials", caisson.operator.url), {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/octet-stream" },
    signal: stop.signal,
    ...(method === "POST"
      ? { body: JSON.stringify({ id: "unasked", first: null, second: null }) }
      : {}),
  });
  stop.abort();
  return response.status;
}

test("publish refuses what no runner has tried [INSTANCE-UNRUN]", async () => {
  const artifact = await signed("unrun", seeded);
  const supervisor = caisson.pid;
  process.kill(supervisor, "SIGSTOP"); // nobody brings the runner back
  try {
    process.kill(caisson.pidOf("runner"), "SIGKILL");
    expect(await caisson.publish(artifact)).toBe("refused: publish.refused instances.unrun");
  } finally {
    process.kill(supervisor, "SIGCONT");
  }
});

test("publish admits it when a runner is back [INSTANCE-UNRUN twin]", async () => {
  await until("another runner", () => {
    try {
      return Promise.resolve(caisson.pidOf("runner"));
    } catch {
      return Promise.resolve(null);
    }
  });
  expect(await caisson.publish(await signed("run", seeded))).toBe("admitted");
});
