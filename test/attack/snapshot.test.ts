import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSnapshot, sealSnapshot } from "../../src/core/contract/index.ts";
import type { Snapshot } from "../../src/core/contract/index.ts";
import { createSigner, documentTimes } from "../../src/core/trust/index.ts";
import type { Signer } from "../../src/core/trust/index.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { startGateway } from "../e2e/start-gateway.ts";
import { lastAnswer, until } from "../e2e/until.ts";
import { newSigner } from "../fakes/releases.ts";
import { startFakeControl } from "./fake-control.ts";

const MINUTE_MS = 60_000;
const TARGET = "/api/ext/acme.snapshot/";
let caisson: Caisson;
let state: Signer;
let snapshot: Snapshot;
beforeAll(async () => {
  caisson = await startCaisson();
  await caisson.serve({ name: "snapshot" });
  state = createSigner(createPrivateKey(await readFile(join(caisson.data, "keys/state.pem"))));
  snapshot = await until("the gateway's snapshot with the install ready", keptReady);
});
afterAll(() => caisson[Symbol.asyncDispose]());

/** What the gateway keeps on its disk, once the install is ready in it. */
async function keptReady(): Promise<Snapshot | null> {
  const kept = await readFile(join(caisson.data, "gateway/line/snapshot.dsse"));
  const { body } = openSnapshot(kept, state.publicKey, new Date());
  return body.installs.some((install) => install.state === "ready") ? body : null;
}

/** Seals what control sealed, with other dates or by another key. */
function seal(body: Snapshot, signer: Signer, fromMs = 0, toMs = 60 * MINUTE_MS): Uint8Array {
  const at = (ms: number) => new Date(Date.now() + ms);
  return sealSnapshot(body, documentTimes(at(fromMs), at(toMs)), signer);
}

/** What a gateway without control answers that finds these bytes on its disk; it reaches the real sandbox. */
async function served(document: Uint8Array): Promise<number | string> {
  await using gateway = await startGateway(caisson, { document, controlUrl: "http://127.0.0.1:1" });
  // A gateway takes calls a moment before its line to the sandbox stands.
  const { status, code } = await lastAnswer(
    () => gateway.call(caisson.north.key, TARGET),
    (answer) => answer.code !== "runner.lost",
  );
  return code === "" ? status : code;
}

test("the gateway refuses a snapshot of another control [SNAPSHOT-FOREIGN]", async () => {
  expect(await served(seal(snapshot, newSigner("ed25519")))).toBe("policy.unavailable");
});

test("the gateway serves a snapshot of its own control [SNAPSHOT-FOREIGN twin]", async () => {
  expect(await served(seal(snapshot, state))).toBe(200);
});

test("the gateway refuses an expired snapshot [SNAPSHOT-EXPIRED]", async () => {
  expect(await served(seal(snapshot, state, -2 * MINUTE_MS, -MINUTE_MS))).toBe(
    "policy.unavailable",
  );
});

test("the gateway serves a snapshot before its end [SNAPSHOT-EXPIRED twin]", async () => {
  expect(await served(seal(snapshot, state, -2 * MINUTE_MS, MINUTE_MS))).toBe(200);
});

test("the gateway refuses a snapshot over its greatest age [SNAPSHOT-STALE]", async () => {
  expect(await served(seal(snapshot, state, -16 * MINUTE_MS))).toBe("policy.unavailable");
});

test("the gateway serves a snapshot within its greatest age [SNAPSHOT-STALE twin]", async () => {
  expect(await served(seal(snapshot, state, -14 * MINUTE_MS))).toBe(200);
});

/** A gateway that knows a snapshot without installs hears of one that has them. */
async function followed(epochChange: number): Promise<number | string> {
  const known = { ...snapshot, installs: [], grants: [] };
  const sent = seal({ ...snapshot, epoch: snapshot.epoch + epochChange }, state);
  await using control = await startFakeControl(sent);
  await using gateway = await startGateway(caisson, {
    document: seal(known, state),
    controlUrl: control.url,
  });
  await control.sent;
  const { status, code } = await lastAnswer(
    () => gateway.call(caisson.north.key, TARGET),
    (answer) => answer.status === 200,
  );
  return code === "" ? status : code;
}

test("the gateway goes back to no older snapshot [SNAPSHOT-ROLLBACK]", async () => {
  expect(await followed(-1)).toBe("install.unknown");
});

test("the gateway follows a newer snapshot [SNAPSHOT-ROLLBACK twin]", async () => {
  expect(await followed(1)).toBe(200);
});
