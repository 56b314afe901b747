import { parseDigest } from "../../src/core/trust/index.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { loadGranted, plantAdmitted } from "./held-control.ts";

let caisson: Caisson;
beforeAll(async () => (caisson = await startCaisson()));
afterAll(() => caisson[Symbol.asyncDispose]());

/** A release that no publish door judged, its signature and log entry good; the install door's word, or a runner's. */
async function installPlanted(name: string, guest: string): Promise<string> {
  await plantAdmitted(caisson, { name, guest });
  return caisson.install(caisson.north, `acme.${name}`);
}

test("install refuses a component that imports what its manifest does not ask for [INSTALL-IMPORTS]", async () => {
  expect(await installPlanted("install-refused", "import-too-much")).toMatch(
    /^refused: install\.refused .*import\.unasked/,
  );
});

test("install accepts a component that imports only what its manifest asks for [INSTALL-IMPORTS twin]", async () => {
  expect(await installPlanted("install-accepted", "hello")).toBe("ready");
});

/** The same release under a grant that no install door judged; the runner's word. */
async function loadPlanted(name: string, guest: string): Promise<string> {
  await caisson.serve({ name });
  const planted = await plantAdmitted(caisson, { name, version: "2.0.0", guest });
  const contentHash = parseDigest("manifest", planted.digest);
  return loadGranted(caisson, `acme.${name}`, (grant) => ({
    ...grant,
    version: planted.config.version,
    contentHash,
  }));
}

test("load refuses a component that imports what its manifest does not ask for [LOAD-IMPORTS]", async () => {
  expect(await loadPlanted("load-refused", "import-too-much")).toMatch(
    /^failed load\.refused.*import\.unasked/,
  );
});

test("load accepts a component that imports only what its manifest asks for [LOAD-IMPORTS twin]", async () => {
  expect(await loadPlanted("load-accepted", "hello")).toBe("ready ");
});
