import { afterAll, beforeAll, expect, test } from "vitest";
import { pack } from "./caisson.ts";
import type { Caisson } from "./caisson.ts";
import { startCaisson } from "./start-caisson.ts";

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
});
afterAll(() => caisson[Symbol.asyncDispose]());

const RACERS = 8;

test("the same artifact published by many at once is admitted once and accepted by all", async () => {
  const artifact = caisson.sign(await pack({ name: "race" }));
  const said = await Promise.all(Array.from({ length: RACERS }, () => caisson.publish(artifact)));
  expect(said).toEqual(Array.from({ length: RACERS }, () => "admitted"));
  expect(await caisson.sql("select state from artifact where extension_id = 'acme.race'")).toEqual([
    { state: "admitted" },
  ]);
});

test("of two artifacts published under one version at once, one is admitted and the other refused", async () => {
  const rivals = [
    await pack({ name: "rivals" }),
    await pack({ name: "rivals", limits: { deadlineMs: 999 } }),
  ].map((packed) => caisson.sign(packed));
  const said = await Promise.all(
    rivals.map((artifact) => caisson.publish(artifact).catch((error: unknown) => String(error))),
  );
  expect(said.filter((text) => text === "admitted")).toHaveLength(1);
  expect(
    await caisson.sql("select state from artifact where extension_id = 'acme.rivals'"),
  ).toEqual([{ state: "admitted" }]);
});

test("the same install asked for by many at once is one install that runs", async () => {
  await caisson.serve({ name: "many" });
  const said = await Promise.all(
    Array.from({ length: RACERS }, () => caisson.install(caisson.south, "acme.many")),
  );
  expect(said).toEqual(Array.from({ length: RACERS }, () => "ready"));
  const rows = await caisson.sql(
    "select state from install where tenant_id = $1 and extension_id = 'acme.many'",
    [caisson.south.id],
  );
  expect(rows).toEqual([{ state: "ready" }]);
});
