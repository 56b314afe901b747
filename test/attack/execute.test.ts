import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cancelBytes, executeCallBytes, limits } from "../../src/core/contract/index.ts";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { until } from "../e2e/until.ts";
import { newSigner } from "../fakes/releases.ts";
import { ExecuteRig } from "./execute-cases.ts";

const EXTENSION = "acme.far";
const NOTHING = Buffer.alloc(0);
let rig: ExecuteRig;
let caisson: Caisson;
beforeAll(async () => {
  rig = await ExecuteRig.start();
  ({ caisson } = rig);
  await caisson.serve({ name: "far", limits: { deadlineMs: 20_000 } });
  await caisson.install(caisson.south, EXTENSION);
  await caisson.untilRouted(caisson.south, EXTENSION);
});
afterAll(() => rig[Symbol.asyncDispose]());

const north = () => rig.body(caisson.north, EXTENSION);

test("a runner takes no call from elsewhere without a token [EXECUTE-REQUIRED]", async () => {
  const body = await north();
  expect(await rig.send({ body })).toBe("execute.required");
  for (const authorization of ["Bearer ", `Bearer ${caisson.north.key} x`, "Basic b3A6eA=="])
    expect(await rig.send({ authorization, body })).toBe("execute.required");
});

test("a runner takes a call with a token [EXECUTE-REQUIRED twin]", async () => {
  expect(await rig.send(await rig.token(await north()))).toBe("done");
});

test("a runner takes no token that its control did not sign [EXECUTE-FORGED]", async () => {
  const body = await north();
  expect(await rig.send(await rig.token(body, {}, newSigner("ed25519")))).toBe("execute.forged");
  const { authorization = "" } = await rig.token(body);
  const changed = authorization.slice(0, -3) + (authorization.endsWith("AA") ? "BBA" : "AAA");
  expect(await rig.send({ authorization: changed, body })).toBe("execute.forged");
  const [, claims = "", signature = ""] = authorization.split(".");
  for (const header of [
    { alg: "none", typ: "caisson-execute+jwt" },
    { alg: "HS256", typ: "caisson-execute+jwt" },
  ]) {
    const head = Buffer.from(JSON.stringify(header)).toString("base64url");
    for (const end of ["", signature])
      expect(await rig.send({ authorization: `Bearer ${head}.${claims}.${end}`, body })).toBe(
        "execute.forged",
      );
  }
  const key = { authorization: `Bearer ${caisson.operator.key}`, body };
  expect(await rig.send(key)).toBe("execute.forged");
});

test("a runner takes the token that control mints for an operator [EXECUTE-FORGED twin]", async () => {
  const body = await north();
  const { body: digest, boot } = await rig.claims(body);
  const { token } = await call(caisson.operator, operations.executeToken, {
    body: { runner: rig.runner, boot, body: digest },
  });
  expect(await rig.send({ authorization: `Bearer ${token}`, body })).toBe("done");
});

test("a gateway's credential is of no use without the key that it names [EXECUTE-PROOF]", async () => {
  const [body, key, other] = [await north(), newSigner("ed25519"), newSigner("ed25519")];
  const credential = rig.credential(key);
  expect(await rig.send(await rig.proved(body, credential, other))).toBe("execute.forged");
  expect(await rig.send({ authorization: `Bearer ${credential}`, body })).toBe("execute.forged");
  const foreign = { subject: caisson.north.id };
  expect(await rig.send(await rig.proved(body, credential, key, foreign))).toBe("execute.forged");
});

test("a gateway calls with its credential and a proof by the key that it names [EXECUTE-PROOF twin]", async () => {
  const key = newSigner("ed25519");
  expect(await rig.send(await rig.proved(await north(), rig.credential(key), key))).toBe("done");
});

test("a runner takes no token past its time, before it, or good for longer than a minute [EXECUTE-EXPIRED]", async () => {
  const [body, now, key] = [await north(), Math.floor(Date.now() / 1_000), newSigner("ed25519")];
  const old = { issuedAt: now - 60, expiresAt: now };
  expect(await rig.send(await rig.token(body, old))).toBe("execute.expired");
  const early = { issuedAt: now + 600, expiresAt: now + 660 };
  expect(await rig.send(await rig.token(body, early))).toBe("execute.expired");
  const long = { issuedAt: now, expiresAt: now + 61 };
  expect(await rig.send(await rig.token(body, long))).toBe("execute.forged");
  expect(await rig.send(await rig.proved(body, rig.credential(key, old), key))).toBe(
    "execute.expired",
  );
});

test("a runner takes a token within its time [EXECUTE-EXPIRED twin]", async () => {
  const now = Math.floor(Date.now() / 1_000);
  const good = { issuedAt: now - 20, expiresAt: now + 40 };
  expect(await rig.send(await rig.token(await north(), good))).toBe("done");
});

test("a runner takes a token once [EXECUTE-REPLAY]", async () => {
  const [sent, key] = [await rig.token(await north()), newSigner("ed25519")];
  expect(await rig.send(sent)).toBe("done");
  expect(await rig.send(sent)).toBe("execute.replayed");
  const proved = await rig.proved(await north(), rig.credential(key), key);
  expect(await rig.send(proved)).toBe("done");
  expect(await rig.send(proved)).toBe("execute.replayed");
});

test("a runner takes another token for the same call [EXECUTE-REPLAY twin]", async () => {
  const body = await north();
  expect(await rig.send(await rig.token(body))).toBe("done");
  expect(await rig.send(await rig.token(body))).toBe("done");
});

async function restartRunner(): Promise<void> {
  const before = await rig.boot();
  process.kill(caisson.pidOf("runner"), "SIGKILL");
  await until("the runner's next start", async () => ((await rig.boot()) === before ? null : true));
}

/** Whether a token, held back until then, is taken when the runner serves again. */
async function answerAfterRestart(remade: boolean): Promise<string> {
  const [body, held] = [await north(), await rig.token(await north())];
  await restartRunner();
  const fresh = async () => rig.send(await rig.token(body));
  await until("the runner to serve again", async () => ((await fresh()) === "done" ? true : null));
  return remade ? fresh() : rig.send(held);
}

test("a runner takes no token of before its start, used or not [EXECUTE-RESTART]", async () => {
  expect(await answerAfterRestart(false)).toBe("execute.boot");
});

test("a runner that started again takes tokens of this start [EXECUTE-RESTART twin]", async () => {
  expect(await answerAfterRestart(true)).toBe("done");
});

test("a runner takes no token for another body [EXECUTE-BODY]", async () => {
  const [body, other] = [await north(), await rig.body(caisson.south, EXTENSION)];
  expect(await rig.send({ ...(await rig.token(body)), body: other })).toBe("execute.body");
  const longer = Buffer.concat([body, Buffer.of(0)]);
  expect(await rig.send({ ...(await rig.token(body)), body: longer })).toBe("execute.body");
  const [mine, another] = [cancelBytes(randomUUID()), cancelBytes(randomUUID())];
  const cancel = { ...(await rig.token(mine)), body: another, path: "/v1/execute/cancel" };
  expect(await rig.send(cancel)).toBe("execute.body");
});

test("a runner takes the body that the token is for [EXECUTE-BODY twin]", async () => {
  expect(await rig.send(await rig.token(await north()))).toBe("done");
});

test("a runner takes no token for another runner [EXECUTE-AUDIENCE]", async () => {
  const [body, key] = [await north(), newSigner("ed25519")];
  const foreign = { audience: rig.gateway };
  expect(await rig.send(await rig.token(body, foreign))).toBe("execute.audience");
  const credential = rig.credential(key, foreign);
  expect(await rig.send(await rig.proved(body, credential, key))).toBe("execute.audience");
  expect(await rig.send(await rig.proved(body, rig.credential(key), key, foreign))).toBe(
    "execute.audience",
  );
});

test("a runner takes a token for itself [EXECUTE-AUDIENCE twin]", async () => {
  expect(await rig.send(await rig.token(await north()))).toBe("done");
});

/** A call of north whose head names something else. */
async function sendHead(change: Readonly<Record<string, unknown>>): Promise<string> {
  const head = { ...(await rig.head(caisson.north, EXTENSION)), ...change };
  return rig.send(await rig.token(executeCallBytes(head, NOTHING)));
}

test("a runner takes no handle of another tenant or install, and none that it does not hold [EXECUTE-HANDLE]", async () => {
  const south = await rig.head(caisson.south, EXTENSION);
  expect(await sendHead({ handle: south.handle })).toBe("execute.handle");
  expect(await sendHead({ tenant: south.tenant })).toBe("execute.handle");
  expect(await sendHead({ install: south.install })).toBe("execute.handle");
  expect(await sendHead({ handle: "0".repeat(32) })).toBe("execute.handle");
});

test("a runner takes the handle of the install that the call names [EXECUTE-HANDLE twin]", async () => {
  expect(await sendHead({})).toBe("done");
});

test("a runner reads no head over its bound [EXECUTE-HEAD]", async () => {
  expect(await rig.send(await rig.token(await paddedCall(1)))).toBe("request.too_large");
  const claimed = await north();
  claimed.writeUInt32LE(0xffff_ffff);
  expect(await rig.send(await rig.token(claimed))).toBe("request.too_large");
});

test("a runner reads a head that keeps to its bound [EXECUTE-HEAD twin]", async () => {
  expect(await rig.send(await rig.token(await paddedCall(0)))).toBe("done");
});

/** A call whose head is `over` bytes over the bound: spaces are good JSON. */
async function paddedCall(over: number): Promise<Buffer> {
  const head = (await north()).subarray(4);
  const padded = Buffer.alloc(limits.executeHeadBytes.value + over, " ");
  head.copy(padded);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(padded.length);
  return Buffer.concat([length, padded]);
}

test("a runner runs nothing that is halted, whatever the gateway knows [EXECUTE-FENCE]", async () => {
  expect(await answerWhile({ scope: "tenant", id: caisson.north.id })).toBe("call.halted");
});

test("a runner runs what nothing stops [EXECUTE-FENCE twin]", async () => {
  expect(await answerWhile({ scope: "tenant", id: caisson.south.id })).toBe("done");
});

async function answerWhile(target: { scope: "tenant"; id: string }): Promise<string> {
  await call(caisson.operator, operations.fenceSet, { body: { ...target, reason: "test" } });
  try {
    return await rig.send(await rig.token(await north()));
  } finally {
    await call(caisson.operator, operations.fenceLift, { body: target });
    await until("north to be served again", async () =>
      (await rig.send(await rig.token(await north()))) === "done" ? true : null,
    );
  }
}

/** A gateway of another machine, and its credential from before it may be removed. */
async function callAsEnrolled(name: string, removed: boolean): Promise<string> {
  const { edge } = await call(caisson.operator, operations.edgeEnrol, {
    body: { kind: "gateway", name },
  });
  const key = newSigner("ed25519");
  const credential = rig.credential(key, { subject: edge.id });
  if (removed) await call(caisson.operator, operations.edgeRemove, { params: { edge: name } });
  const own = { issuer: edge.id, subject: edge.id };
  return rig.send(await rig.proved(await north(), credential, key, own));
}

test("a runner takes no call of a gateway that was removed, while its credential is good [EXECUTE-REMOVED]", async () => {
  expect(await callAsEnrolled("taken-out", true)).toBe("execute.removed");
});

test("a runner takes calls of a gateway that is enrolled [EXECUTE-REMOVED twin]", async () => {
  expect(await callAsEnrolled("left-in", false)).toBe("done");
});

/** What control answers to a token that asks it to name a key. */
async function askCredential(secret: string): Promise<string> {
  const response = await fetch(new URL("/v1/edge/credential", caisson.operator.url), {
    method: "POST",
    headers: {
      authorization: `Bearer ${secret}`,
      "content-type": "application/octet-stream",
    },
    body: JSON.stringify({
      runner: "https://runner.example",
      key: Buffer.from(newSigner("ed25519").publicKey.ed25519()).toString("base64url"),
    }),
  });
  const { code = "given" } = (await response.json()) as { code?: string };
  return code;
}

test("control gives no credential to anybody but an enrolled gateway [EXECUTE-CREDENTIAL]", async () => {
  const { token } = await enrolFar("only-runner", "runner");
  for (const secret of [token, caisson.north.key, caisson.operator.key])
    expect(await askCredential(secret)).toBe("auth.forbidden");
  const { token: gone } = await enrolFar("gone-gateway", "gateway");
  await call(caisson.operator, operations.edgeRemove, { params: { edge: "gone-gateway" } });
  expect(await askCredential(gone)).toBe("auth.required");
});

test("control gives a credential to an enrolled gateway [EXECUTE-CREDENTIAL twin]", async () => {
  await call(caisson.operator, operations.edgeEnrol, {
    body: { kind: "runner", name: "at-url", url: "https://runner.example" },
  });
  const { token } = await enrolFar("asking", "gateway");
  expect(await askCredential(token)).toBe("given");
});

function enrolFar(name: string, kind: "gateway" | "runner") {
  return call(caisson.operator, operations.edgeEnrol, { body: { kind, name } });
}
