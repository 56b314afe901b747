import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Fence, openSnapshot, sealFence, sealSnapshot } from "../../src/core/contract/index.ts";
import { ApiError, call, operations } from "../../src/core/http-api/index.ts";
import type { Snapshot } from "../../src/core/contract/index.ts";
import { documentTimes } from "../../src/core/trust/index.ts";
import type { Signer } from "../../src/core/trust/index.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { startGateway } from "../e2e/start-gateway.ts";
import { lastAnswer, until } from "../e2e/until.ts";
import { newSigner } from "../fakes/releases.ts";
import { startFakeControl } from "./fake-control.ts";
import { heldKey } from "./held-control.ts";
import { halts, resume, stop } from "./fence-cases.ts";

const TARGET = "/api/ext/acme.edge/";
const EPOCH = 1_000;
let caisson: Caisson;
let state: Signer;
let snapshot: Snapshot;
beforeAll(async () => {
  caisson = await startCaisson();
  await caisson.serve({ name: "edge" });
  state = await heldKey(caisson, "state");
  // The gateway serves from a new snapshot before the file of it is written.
  snapshot = await until("a kept snapshot with the install", async () => {
    const kept = await readFile(join(caisson.data, "gateway/line/snapshot.dsse"));
    const { body } = openSnapshot(kept, state.publicKey, new Date());
    return body.installs.some(({ state: at }) => at === "ready") ? body : null;
  });
});
afterAll(() => caisson[Symbol.asyncDispose]());

function times() {
  const now = Date.now();
  return documentTimes(new Date(now), new Date(now + 3_600_000));
}

function fence(epoch: number, halted: boolean, signer = state): Uint8Array {
  const entry = {
    scope: "extension" as const,
    id: "acme.edge",
    epoch: EPOCH,
    reason: "test",
    reversible: true,
    by: "operator",
  };
  return sealFence(new Fence(epoch, halted ? [entry] : []), times(), signer);
}

/** What a gateway without control answers that finds this fence, and a snapshot that knows of `fenceEpoch`. */
async function served(kept: Uint8Array, fenceEpoch = 0): Promise<string> {
  const document = sealSnapshot({ ...snapshot, fenceEpoch }, times(), state);
  await using gateway = await startGateway(caisson, {
    document,
    fence: kept,
    controlUrl: "http://127.0.0.1:1",
  });
  return await answerOf(gateway, (said) => said !== "runner.lost");
}

async function answerOf(
  gateway: Awaited<ReturnType<typeof startGateway>>,
  settled: (said: string) => boolean,
): Promise<string> {
  return lastAnswer(async () => {
    const { status, code } = await gateway.call(caisson.north.key, TARGET);
    return code === "" ? String(status) : code;
  }, settled);
}

test("an edge serves nothing under a fence of another control [FENCE-FOREIGN]", async () => {
  expect(await served(fence(EPOCH, false, newSigner("ed25519")))).toBe("policy.unavailable");
});

test("an edge serves under the fence of its own control [FENCE-FOREIGN twin]", async () => {
  expect(await served(fence(EPOCH, false))).toBe("200");
});

test("an edge serves nothing from a snapshot that knows of a newer fence [FENCE-BEHIND]", async () => {
  expect(await served(fence(EPOCH, false), EPOCH + 1)).toBe("policy.unavailable");
});

test("an edge serves from a snapshot that knows of its fence [FENCE-BEHIND twin]", async () => {
  expect(await served(fence(EPOCH, false), EPOCH)).toBe("200");
});

/** A gateway that keeps a halt hears of a fence without it. */
async function replayed(epoch: number): Promise<string> {
  await using control = await startFakeControl(fence(epoch, false), "fence");
  await using gateway = await startGateway(caisson, {
    document: sealSnapshot({ ...snapshot, fenceEpoch: 0 }, times(), state),
    fence: fence(EPOCH, true),
    controlUrl: control.url,
  });
  await control.sent;
  return await answerOf(gateway, (said) => said === "200");
}

test("an edge goes back to no older fence [FENCE-ROLLBACK]", async () => {
  expect(await replayed(EPOCH - 1)).toBe("call.halted");
});

test("an edge follows a newer fence [FENCE-ROLLBACK twin]", async () => {
  expect(await replayed(EPOCH + 1)).toBe("200");
});

/** Halts while the gateway is stopped by a signal, or runs: which edges the verb names as missing. */
async function haltWith(signal: "SIGSTOP" | "SIGCONT"): Promise<string[]> {
  const gateway = caisson.pidOf("gateway");
  process.kill(gateway, signal);
  try {
    const { missing } = await stop(caisson.operator, "extension", "acme.elsewhere");
    return missing.map((edge) => edge.split(" ")[0] ?? "");
  } finally {
    process.kill(gateway, "SIGCONT");
    await resume(caisson.operator, "extension", "acme.elsewhere");
  }
}

test("an edge that is stuck is named, not counted [FENCE-ACK]", async () => {
  expect(await haltWith("SIGSTOP")).toEqual(["gateway"]);
});

test("edges that acknowledged are all counted [FENCE-ACK twin]", async () => {
  expect(await haltWith("SIGCONT")).toEqual([]);
});

test("a stuck edge stops what was halted as soon as it goes on", async () => {
  const gateway = caisson.pidOf("gateway");
  process.kill(gateway, "SIGSTOP");
  const { missing } = await stop(caisson.operator, "extension", "acme.edge");
  process.kill(gateway, "SIGCONT");
  expect(missing).toHaveLength(1);
  await until("the halt at the gateway", async () =>
    (await caisson.call(caisson.north.key, TARGET)).code === "call.halted" ? true : null,
  );
  await resume(caisson.operator, "extension", "acme.edge");
});

async function installId(): Promise<string> {
  const params = { tenant: caisson.north.id, extension: "acme.edge" };
  return (await call(caisson.north, operations.installShow, { params })).id;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "accepted";
  } catch (error) {
    if (error instanceof ApiError) return error.code;
    throw error;
  }
}

/** Somebody halts north's install, and north's own key tries to resume it. */
async function resumedByTenant(setBy: "operator" | "north"): Promise<string> {
  const id = await installId();
  await stop(caisson[setBy], "install", id);
  const said = await codeOf(resume(caisson.north, "install", id));
  if (said !== "accepted") await resume(caisson.operator, "install", id);
  return said;
}

test("a tenant does not resume what the operator halted [FENCE-RESUME]", async () => {
  expect(await resumedByTenant("operator")).toBe("auth.forbidden");
});

test("a tenant resumes what it halted itself [FENCE-RESUME twin]", async () => {
  expect(await resumedByTenant("north")).toBe("accepted");
});

test("a tenant halts nothing that is not its own [FENCE-SCOPE]", async () => {
  const id = await installId();
  const tries = [
    ["all", "*"],
    ["extension", "acme.edge"],
    ["publisher", "acme"],
    ["key", caisson.signer.publicKey.spkiDigest],
    ["install", id],
    ["tenant", caisson.north.id],
  ] as const;
  const codes: string[] = [];
  for (const [scope, target] of tries) {
    codes.push(await codeOf(stop(caisson.south, scope, target)));
    if (codes.at(-1) === "accepted" && halts.includes(scope))
      await resume(caisson.operator, scope, target);
  }
  expect(codes).toEqual([
    ...Array.from({ length: 4 }, () => "auth.forbidden"),
    "install.unknown",
    "auth.tenant",
  ]);
});

test("a tenant halts its own install, and itself [FENCE-SCOPE twin]", async () => {
  for (const [scope, id] of [
    ["install", await installId()],
    ["tenant", caisson.north.id],
  ] as const) {
    expect(await codeOf(stop(caisson.north, scope, id))).toBe("accepted");
    await resume(caisson.north, scope, id);
  }
});

test("nobody lifts a revocation [FENCE-REVOKED]", async () => {
  const unseen = `sha256:${"5".repeat(64)}`;
  await stop(caisson.operator, "digest", unseen);
  expect(await codeOf(resume(caisson.operator, "digest", unseen))).toBe("fence.irreversible");
});

test("the operator lifts a halt [FENCE-REVOKED twin]", async () => {
  await stop(caisson.operator, "extension", "acme.unseen");
  expect(await codeOf(resume(caisson.operator, "extension", "acme.unseen"))).toBe("accepted");
});

test("a dry run tells what would stop, and stops nothing", async () => {
  const { installs } = await stop(caisson.operator, "extension", "acme.edge", true);
  expect(installs).toBe(1);
  expect((await caisson.call(caisson.north.key, TARGET)).status).toBe(200);
  const { items } = await call(caisson.operator, operations.fenceList);
  expect(items.some((entry) => entry.id === "acme.edge")).toBe(false);
});
