import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { expect, test } from "vitest";
import { FrameDecoder, frameTypes, FrameWriter, readReason, writeEmpty } from "#contract";
import { compileComponent, readFingerprint } from "#runner";
import { buildGuest } from "../guests/guests.ts";
import { connect, grantFor, guestCode, Rig, startCall } from "./harness.ts";
import { nativePaths } from "./native-paths.ts";

const SECCOMP_FILTER = "2";

function status(pid: number): Record<string, string> {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Object.fromEntries(text.split("\n").map((line) => line.split(":\t") as [string, string])); // "Name:\tvalue"
}

test("sandbox runs under seccomp with no new privileges, on every thread", async () => {
  await using rig = await Rig.start();
  expect(status(rig.sandbox.pid)).toMatchObject({ Seccomp: SECCOMP_FILTER, NoNewPrivs: "1" });
  expect(rig.sandbox.lockdown & 0b1110).toBe(0b1110);
  expect(rig.sandbox.fingerprint).toBe(await readFingerprint(nativePaths().compiler, "epoch"));
});

test("sandbox refuses compiled code with one byte changed, and takes the same bytes unchanged", async () => {
  await using rig = await Rig.start();
  const code = await guestCode("hello");
  const digest = createHash("sha256").update(code).digest();
  const changed = Uint8Array.from(code);
  changed[code.length >> 1] = (changed[code.length >> 1] ?? 0) ^ 1;
  await expect(rig.sandbox.load(changed, digest)).rejects.toMatchObject({
    code: "sandbox.refused",
    reason: "load.digest",
  });
  expect((await rig.sandbox.load(code, digest)).capabilities).toEqual([]);
});

test("sandbox refuses an image that no compiler of this engine wrote", async () => {
  await using rig = await Rig.start();
  await expect(rig.sandbox.load(Buffer.from("not an image"))).rejects.toMatchObject({
    reason: "load.engine",
  });
  await expect(
    rig.sandbox.load((await guestCode("hello")).subarray(0, 8_192)),
  ).rejects.toMatchObject({ reason: "load.engine" });
});

test("sandbox refuses a component that imports what nothing provides", async () => {
  await using rig = await Rig.start();
  await expect(rig.sandbox.load(await guestCode("import-too-much"))).rejects.toMatchObject({
    code: "sandbox.refused",
    reason: "component.import",
  });
  expect((await rig.sandbox.load(await guestCode("log-writer"))).capabilities).toEqual(["log"]);
});

test("sandbox refuses a grant that does not cover what the component imports", async () => {
  await using rig = await Rig.start();
  const load = await rig.sandbox.load(await guestCode("log-writer"));
  const grant = grantFor(load.id, Buffer.alloc(16, 1));
  await expect(rig.sandbox.grant({ ...grant, capabilities: 0 })).rejects.toMatchObject({
    reason: "grant.capability",
  });
  await rig.sandbox.grant(grant);
  expect((await rig.answer(grant.handle)).result.outcome).toBe("done");
});

test("sandbox closes a line with a wrong boot secret, and serves one with the right secret", async () => {
  await using rig = await Rig.start();
  const wrong = Uint8Array.from(rig.sandbox.secret);
  wrong[31] = (wrong[31] ?? 0) ^ 1;
  await expect(connect(rig.sandbox.socketPath, wrong)).rejects.toThrow("hello.secret");
  const right = await connect(rig.sandbox.socketPath, rig.sandbox.secret);
  right[Symbol.dispose]();
});

/** Sends bytes on a fresh line; the reason with which the sandbox closes it. */
function closedBecause(socketPath: string, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ path: socketPath }, () => socket.write(bytes));
    const decoder = new FrameDecoder(
      (type, _flags, _stream, bytes, start, end) =>
        type === frameTypes.close && resolve(readReason(bytes.subarray(start, end)).code),
    );
    socket.on("data", (chunk: Buffer) => decoder.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed without a reason")));
  });
}

test("sandbox closes a line with its reason when the first frame is not HELLO or no frame at all", async () => {
  await using rig = await Rig.start();
  const w = new FrameWriter();
  writeEmpty(w, "end", 1);
  expect(await closedBecause(rig.sandbox.socketPath, w.take())).toBe("hello.missing");
  expect(await closedBecause(rig.sandbox.socketPath, Buffer.alloc(12, 0xff))).toBe("frame.length");
  expect(await closedBecause(rig.sandbox.socketPath, Buffer.from("GET / HTTP/1.1\r\n\r\n"))).toBe(
    "frame.length",
  );
  expect((await rig.answer(await rig.admit("hello"))).body).toBe("hello\n");
});

test("sandbox cancels the calls of a line that closes", async () => {
  await using rig = await Rig.start({ slots: 1 });
  const other = await connect(rig.sandbox.socketPath, rig.sandbox.secret);
  const lost = startCall(other, await rig.admit("loop"), {});
  await rig.answer(Buffer.alloc(16, 99));
  const waiting = rig.call(await rig.admit("hello"));
  other[Symbol.dispose]();
  expect((await lost.answer).result).toMatchObject({ outcome: "lost", code: "runner.lost" });
  expect((await waiting.answer).body).toBe("hello\n");
});

test("sandbox ends when its parent's line closes, and leaves no socket file", async () => {
  const rig = await Rig.start();
  await rig.sandbox.stop();
  expect(await rig.exit).toMatchObject({ status: 0, signal: null });
  expect(existsSync(rig.sandbox.socketPath)).toBe(false);
  await rig[Symbol.asyncDispose]();
});

test("sandbox ends when its parent is killed while a guest loops", async () => {
  const script = `
    import { Rig } from ${JSON.stringify(new URL("harness.ts", import.meta.url).href)};
    const rig = await Rig.start();
    rig.call(await rig.admit("loop"));
    process.stdout.write(String(rig.sandbox.pid));`;
  const parent = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pid = await new Promise<number>((resolve) =>
    parent.stdout.once("data", (chunk: Buffer) => resolve(Number(chunk))),
  );
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  parent.kill("SIGKILL");
  await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 10_000 }).toBe(false);
});

test("a client loses open calls with the process and says so, and the next one too", async () => {
  await using rig = await Rig.start();
  const loop = rig.call(await rig.admit("loop"));
  await rig.answer(Buffer.alloc(16, 99));
  process.kill(rig.sandbox.pid, "SIGKILL");
  expect((await loop.answer).result).toMatchObject({ outcome: "lost", code: "runner.lost" });
  expect((await rig.answer(Buffer.alloc(16, 1))).result).toMatchObject({
    outcome: "lost",
    code: "runner.lost",
  });
  expect(await rig.exit).toMatchObject({ signal: "SIGKILL" });
});

test("compileComponent() refuses what is no component, is too slow or too large, and compiles one that is", async () => {
  const { compiler } = nativePaths();
  const component = await buildGuest("hello");
  expect((await compileComponent(compiler, "epoch", component, 60_000)).length).toBeGreaterThan(
    1_000,
  );
  await expect(
    compileComponent(compiler, "epoch", Buffer.from("bytes"), 60_000),
  ).rejects.toMatchObject({
    code: "component.refused",
    reason: "component.invalid",
  });
  await expect(
    compileComponent(compiler, "epoch", component.subarray(0, 100), 60_000),
  ).rejects.toMatchObject({ reason: "component.invalid" });
  await expect(compileComponent("/nonexistent", "epoch", component, 60_000)).rejects.toMatchObject({
    code: "compiler.failed",
  });
  await expect(
    compileComponent(compiler, "epoch", new Uint8Array(64 * 1_048_576 + 1), 60_000),
  ).rejects.toMatchObject({ reason: "component.size" });
});

test("compileComponent() gives the same code for the same component", async () => {
  const { compiler } = nativePaths();
  const component = await buildGuest("hello");
  const [first, second] = [
    await compileComponent(compiler, "epoch", component, 60_000),
    await compileComponent(compiler, "epoch", component, 60_000),
  ];
  expect(Buffer.from(first).equals(second)).toBe(true);
});
