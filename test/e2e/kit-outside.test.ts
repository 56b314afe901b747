import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { parseTrustBundle } from "../../src/core/trust/index.ts";
import type { Caisson } from "./caisson.ts";
import { runCli } from "./run-cli.ts";
import type { CliRun } from "./run-cli.ts";
import { startCaisson, trust } from "./start-caisson.ts";

// Each test builds several times; a busy machine takes its time over that.
vi.setConfig({ testTimeout: 300_000 });

let caisson: Caisson;
let outside: string;
beforeAll(async () => {
  caisson = await startCaisson();
  outside = await mkdtemp(join(tmpdir(), "caisson-author-"));
});
afterAll(async () => {
  await caisson[Symbol.asyncDispose]();
  await rm(outside, { recursive: true, force: true });
});

const TSC = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));
const run = promisify(execFile);
const hasClang = spawnSync("clang", ["--version"]).status === 0;

/** As an author in a folder of their own: relative names, no clone around. */
async function author(...args: string[]): Promise<CliRun> {
  const keyFile = join(outside, "north.key");
  await writeFile(keyFile, caisson.north.key);
  const env = { CAISSON_URL: caisson.operator.url, CAISSON_KEY_FILE: keyFile };
  const ran = await runCli(args, env, outside);
  expect(ran).toMatchObject({ exit: 0 });
  return ran;
}

/** From a template to an answer; the component built first is kept, so that packing again means the same bytes. */
async function fromTemplateToAnswer(name: string, template: string): Promise<string> {
  await author("new", name, "--publisher", "acme", "--template", template);
  expect((await author("test", name, "--json")).json).toMatchObject({ passed: 2, failed: 0 });
  const first = (await author("pack", name, "--json")).json as { digest: string };
  await keepComponent(name);
  const again = (await author("pack", name, "--json")).json as { digest: string };
  expect(again.digest).toBe(first.digest);
  const key = `${name}.pem`;
  const made = (await author("key", "make", key, "--json")).json as { publicKey: string };
  const [anchor] = parseTrustBundle(made.publicKey);
  if (anchor === undefined) throw new Error("key make printed no public key");
  await trust(caisson.operator, anchor.key, {});
  await author("sign", name, "--key", key);
  await author("publish", name);
  await author("install", `acme.${name}`);
  await caisson.untilRouted(caisson.north, `acme.${name}`);
  return (await author("invoke", `acme.${name}`, "/")).out;
}

/** Puts the built component where caisson.json names it, as an author does who has one already. */
async function keepComponent(name: string): Promise<void> {
  const blobs = join(outside, name, "dist/blobs/sha256");
  for (const file of await readdir(blobs)) {
    const bytes = await readFile(join(blobs, file));
    if (bytes.subarray(0, 4).toString("latin1") === "\0asm")
      await writeFile(join(outside, name, `${name}.wasm`), bytes);
  }
}

test("the TypeScript template goes from new through its own test to an answer, and packs to the same digest again", async () => {
  expect(await fromTemplateToAnswer("ts-ext", "typescript")).toBe("Hello from TypeScript.\n");
});

test("clang is present", ({ skip }) => skip(!hasClang, "clang is not installed"));

if (hasClang)
  test("the C template goes from new through its own test to an answer, and packs to the same digest again", async () => {
    expect(await fromTemplateToAnswer("c-ext", "c")).toMatch(/^Hello/);
  });

async function typeCheck(name: string): Promise<{ exit: number; out: string }> {
  try {
    const { stdout } = await run(process.execPath, [TSC, "-p", join(outside, name)]);
    return { exit: 0, out: stdout };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string }; // execFile's rejection
    return { exit: code, out: stdout };
  }
}

test("the TypeScript template type-checks against its WIT, and a wrong field does not", async () => {
  await author("new", "typed", "--publisher", "acme");
  expect(await typeCheck("typed")).toEqual({ exit: 0, out: "" });
  const source = join(outside, "typed/src/index.ts");
  const text = await readFile(source, "utf8");
  await writeFile(source, text.replace("request.method", "request.methud"));
  const wrong = await typeCheck("typed");
  expect(wrong.exit).not.toBe(0);
  expect(wrong.out).toContain("Property 'methud' does not exist on type 'Request'");
});

test("pack writes the types of the capabilities that caisson.json asks for now", async () => {
  await author("new", "narrower", "--publisher", "acme");
  const config = join(outside, "narrower/caisson.json");
  const text = await readFile(config, "utf8");
  const source = join(outside, "narrower/src/index.ts");
  const code = await readFile(source, "utf8");
  await writeFile(source, code.replaceAll(/.*(?:import \{ write \}|write\("info").*\n/g, ""));
  const logTypes = async () =>
    (await readdir(join(outside, "narrower/types/interfaces"))).includes("caisson-ext-log.d.ts");
  await author("pack", "narrower");
  expect(await logTypes()).toBe(true);
  await writeFile(config, text.replace('"log": {}', ""));
  await author("pack", "narrower");
  expect(await logTypes()).toBe(false);
  expect(await typeCheck("narrower")).toEqual({ exit: 0, out: "" });
});
