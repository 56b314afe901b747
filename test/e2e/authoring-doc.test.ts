import { execFile, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
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

const DOC = fileURLToPath(new URL("../../docs/authoring.md", import.meta.url));
const TSC = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));
const hasClang = spawnSync("clang", ["--version"]).status === 0;

interface Sample {
  readonly language: string;
  /** Of the extension; empty for the guide's first. */
  readonly extension: string;
  /** Where it stands in an extension's folder; empty for commands. */
  readonly path: string;
  readonly text: string;
}

let caisson: Caisson;
let home: string;
let samples: readonly Sample[];
beforeAll(async () => {
  caisson = await startCaisson();
  home = await mkdtemp(join(tmpdir(), "caisson-doc-"));
  await writeFile(join(home, "north.key"), caisson.north.key);
  const text = await readFile(DOC, "utf8");
  samples = [...text.matchAll(/^```(\w+)(?: (?:(\w+):)?(\S+))?\n(.*?)^```$/gms)].map(
    ([, language = "", extension = "", path = "", code = ""]) => ({
      language,
      extension,
      path,
      text: code,
    }),
  );
});
afterAll(async () => {
  await caisson[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

/** The guide's commands, as it has them, in a folder outside the clone. */
async function follow(line: string): Promise<CliRun> {
  const [program, ...args] = line.split(" ");
  expect(program).toBe("caisson");
  const env = { CAISSON_URL: caisson.operator.url, CAISSON_KEY_FILE: join(home, "north.key") };
  const ran = await runCli(args, env, home);
  expect(ran, `${line}: ${ran.err}`).toMatchObject({ exit: 0 });
  return ran;
}

async function write(folder: string, { path, text }: Sample): Promise<void> {
  const file = join(home, folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

test("the guide's commands and files make an extension that type-checks, passes its tests, is published and answers", async () => {
  const commands = samples.filter(({ language }) => language === "sh");
  const [first = [], second = []] = commands.map(({ text }) => text.trim().split("\n"));
  expect(commands).toHaveLength(2);
  for (const line of first) await follow(line);
  await rm(join(home, "greeter/test"), { recursive: true });
  const files = samples.filter(
    ({ language, extension }) => extension === "" && ["ts", "json"].includes(language),
  );
  expect(files.map(({ path }) => path)).toEqual(
    expect.arrayContaining(["src/index.ts", "caisson.json", "test/greet.test.json"]),
  );
  for (const file of files) await write("greeter", file);
  expect((await follow("caisson test greeter --json")).json).toMatchObject({
    passed: 4,
    failed: 0,
  });
  await promisify(execFile)(process.execPath, [TSC, "-p", join(home, "greeter")]);
  let last = "";
  for (const line of second) {
    last = (await follow(line)).out;
    // What the guide leaves to the operator.
    const [anchor] = line.includes("key make") ? parseTrustBundle(last) : [];
    if (anchor !== undefined) await trust(caisson.operator, anchor.key, {});
    if (line.includes("install")) await caisson.untilRouted(caisson.north, "acme.greeter");
  }
  expect(JSON.parse(last)).toMatchObject({ greeting: "Hello, Ada!" });
});

/** The guide's files of one extension pass the guide's tests of it, and the type checker where it has types. */
async function passes(extension: string, template: string, ...more: string[]): Promise<void> {
  await follow(`caisson new ${extension} --publisher acme --template ${template}`);
  await rm(join(home, extension, "test"), { recursive: true });
  const files = samples.filter((sample) => sample.extension === extension);
  expect(files).toHaveLength(3);
  for (const file of files) await write(extension, file);
  expect(
    (await follow(["caisson test", extension, "--json", ...more].join(" "))).json,
  ).toMatchObject({ failed: 0 });
  if (template === "typescript")
    await promisify(execFile)(process.execPath, [TSC, "-p", join(home, extension)]);
}

test("the guide's extension that keeps something does", () => passes("visits", "typescript"));

test("the guide's extension that lets the tenant choose does, and asks for what it needs", async () => {
  await passes("hello", "typescript", "--config region=north");
});

test("the guide's extension that counts does", () => passes("sales", "typescript"));

if (hasClang) test("the guide's C extension that keeps something does", () => passes("hits", "c"));

if (hasClang)
  test("the guide's C source passes the C template's test", async () => {
    await follow("caisson new small --publisher acme --template c");
    for (const sample of samples.filter(
      ({ language, extension }) => extension === "" && language === "c",
    ))
      await write("small", sample);
    expect((await follow("caisson test small --json")).json).toMatchObject({
      passed: 2,
      failed: 0,
    });
  });
