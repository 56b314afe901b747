import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { childrenOf } from "../e2e/children.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { pack } from "../e2e/caisson.ts";
import { startCaisson, trust } from "../e2e/start-caisson.ts";
import { lastAnswer, until } from "../e2e/until.ts";
import { newSigner } from "../fakes/releases.ts";
import { loadGranted } from "./held-control.ts";

let caisson: Caisson;
beforeAll(async () => (caisson = await startCaisson()));
afterAll(() => caisson[Symbol.asyncDispose]());

/** Installs under a key, gives the key other dates, and starts the runner anew: what its load door then lets run. */
async function loadAfter(name: string, validTo: string): Promise<string> {
  const signer = newSigner();
  await trust(caisson.operator, signer.publicKey, {});
  expect(await caisson.publish(caisson.sign(await pack({ name }), signer))).toBe("admitted");
  expect(await caisson.install(caisson.north, `acme.${name}`)).toBe("ready");
  await caisson.sql(
    "update trust_anchor set valid_from = '2020-01-01', valid_to = $2 where spki = $1",
    [signer.publicKey.spkiDigest, validTo],
  );
  const rootFile = join(caisson.data, "runner/line/trust-root.dsse");
  const before = await readFile(rootFile);
  await trust(caisson.operator, newSigner().publicKey, {}); // control reads its anchors again
  await until("the runner to hold the new trust root", async () =>
    before.equals(await readFile(rootFile)) ? null : true,
  );
  const runner = caisson.pidOf("runner");
  const [sandbox = 0] = childrenOf(runner, "caisson-sandbox");
  process.kill(runner, "SIGKILL");
  // The old sandbox answers until it has seen that its parent is gone.
  await until("the old sandbox to be gone", () =>
    Promise.resolve(existsSync(`/proc/${sandbox}`) ? null : true),
  );
  const refusal = new RegExp(`"load.refused".*acme\\.${name}.*signer\\.window`);
  const { status } = await lastAnswer(
    () => caisson.call(caisson.north.key, `/api/ext/acme.${name}/`),
    (answer) => answer.status === 200 || refusal.test(caisson.output),
    30_000,
  );
  return status === 200 ? "served" : refusal.test(caisson.output) ? "signer.window" : "lost";
}

test("load refuses a key past its dates when the runner starts again [LOAD-WINDOW]", async () => {
  expect(await loadAfter("window-refused", "2021-01-01")).toBe("signer.window");
});

test("load accepts a key within its dates when the runner starts again [LOAD-WINDOW twin]", async () => {
  expect(await loadAfter("window-accepted", "2099-01-01")).toBe("served");
});

/** Whoever holds control's state key grants more, or as much, as the install door did. */
async function grantMemory(name: string, memoryBytes: number): Promise<string> {
  await caisson.serve({ name });
  return loadGranted(caisson, `acme.${name}`, (grant) => ({
    ...grant,
    limits: { ...grant.limits, memoryBytes },
  }));
}

test("load refuses a signed grant that is wider than the signed config [LOAD-GRANT]", async () => {
  expect(await grantMemory("grant-refused", 2_097_152)).toMatch(/^failed .*grant\.wider/);
});

test("load accepts a signed grant as wide as the signed config [LOAD-GRANT twin]", async () => {
  expect(await grantMemory("grant-accepted", 1_048_576)).toBe("ready ");
});
