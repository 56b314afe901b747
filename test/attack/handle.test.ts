import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { sandboxPlace } from "../e2e/sandbox-place.ts";
import { connect, grantFor, guestCode, Rig, startCall } from "../native/harness.ts";

let caisson: Caisson;
beforeAll(async () => (caisson = await startCaisson()));
afterAll(() => caisson[Symbol.asyncDispose]());

/** The handle of north's install, as a snapshot names it. */
async function handleOf(extension: string): Promise<Uint8Array> {
  const { handle } = await call(caisson.north, operations.installShow, {
    params: { tenant: caisson.north.id, extension },
  });
  return Buffer.from(handle, "hex");
}

/** A call as a gateway makes it, on the sandbox of the running Caisson. */
async function callSandbox(handle: Uint8Array): Promise<string> {
  const { socketPath, secret } = await sandboxPlace(caisson.runtime);
  using client = await connect(socketPath, secret);
  const { result } = await startCall(client, handle, {}).answer;
  return result.outcome === "done" ? "done" : result.code;
}

test("the sandbox refuses a handle that no grant has [HANDLE-FORGED]", async () => {
  await caisson.serve({ name: "forged" });
  expect(await callSandbox(randomBytes(16))).toBe("handle.unknown");
  const near = Uint8Array.from(await handleOf("acme.forged"));
  near[15] = (near[15] ?? 0) ^ 1;
  expect(await callSandbox(near)).toBe("handle.unknown");
});

test("the sandbox serves the handle of a grant [HANDLE-FORGED twin]", async () => {
  await caisson.serve({ name: "granted" });
  expect(await callSandbox(await handleOf("acme.granted"))).toBe("done");
});

test("the sandbox refuses the handle of an install that was taken away [HANDLE-REMOVED]", async () => {
  await caisson.serve({ name: "removed" });
  const handle = await handleOf("acme.removed");
  await caisson.uninstall(caisson.north, "acme.removed");
  // A runner works on snapshots in order: with the next install it has taken this one away.
  await caisson.serve({ name: "removed-next" });
  expect(await callSandbox(handle)).toBe("handle.unknown");
});

test("the sandbox serves the handle of an install that stands [HANDLE-REMOVED twin]", async () => {
  await caisson.serve({ name: "standing" });
  const handle = await handleOf("acme.standing");
  await caisson.serve({ name: "standing-next" });
  expect(await callSandbox(handle)).toBe("done");
});

/** A sandbox process of its own: control gives no grant that ends within a test. */
async function callExpiring(expiresMs: number): Promise<string> {
  await using rig = await Rig.start();
  const { id } = await rig.sandbox.load(await guestCode("hello"));
  const grant = grantFor(id, randomBytes(16), { expiresMs });
  await rig.sandbox.grant(grant);
  const { result } = await rig.answer(grant.handle);
  return result.outcome === "done" ? "done" : result.code;
}

test("the sandbox refuses a grant past its end [HANDLE-EXPIRED]", async () => {
  expect(await callExpiring(Date.now() - 1)).toBe("grant.expired");
});

test("the sandbox serves a grant before its end [HANDLE-EXPIRED twin]", async () => {
  expect(await callExpiring(Date.now() + 3_600_000)).toBe("done");
});

async function greet(change: (secret: Uint8Array) => void): Promise<string> {
  const { socketPath, secret } = await sandboxPlace(caisson.runtime);
  change(secret);
  try {
    using _client = await connect(socketPath, secret);
    return "connected";
  } catch (error) {
    return String(error);
  }
}

test("the sandbox refuses a line without its boot secret [HANDLE-SECRET]", async () => {
  expect(await greet((secret) => (secret[31] = (secret[31] ?? 0) ^ 1))).toContain("hello.secret");
});

test("the sandbox takes a line with its boot secret [HANDLE-SECRET twin]", async () => {
  expect(await greet(() => {})).toBe("connected");
});

/** What the sandbox says of code under the digest of the code that was verified. */
async function loadCode(change: (code: Uint8Array) => void): Promise<string> {
  await using rig = await Rig.start();
  const code = await guestCode("hello");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(code)));
  const sent = Uint8Array.from(code);
  change(sent);
  return await rig.sandbox.load(sent, digest).then(
    () => "loaded",
    (error: unknown) => `${String(error)} ${(error as { reason?: string }).reason ?? ""}`,
  );
}

test("the sandbox refuses code that differs in one byte from its digest [SANDBOX-CODE]", async () => {
  // A byte of the ELF header's padding: nothing but the digest tells.
  expect(await loadCode((code) => (code[15] = (code[15] ?? 0) ^ 1))).toContain("load.digest");
});

test("the sandbox maps code that has its digest [SANDBOX-CODE twin]", async () => {
  expect(await loadCode(() => {})).toBe("loaded");
});
