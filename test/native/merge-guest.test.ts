import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { beforeAll, expect, test, vi } from "vitest";
import { ComponentError, parseExtensionConfig, readComponentNames } from "#contract";
import { compileComponent } from "#runner";
import { buildComponent } from "../../src/kit/build-component.ts";
import { mergeGuest } from "../../src/kit/merge-guest.ts";
import { readSections } from "../../src/kit/wasm-sections.ts";
import { Rig } from "./harness.ts";
import type { Request } from "./harness.ts";
import { nativePaths } from "./native-paths.ts";
import { until } from "../e2e/until.ts";

// Each test builds several times; a busy machine takes its time over that.
vi.setConfig({ testTimeout: 300_000 });

const COMPILE_MS = 60_000;
const WAYS = new URL("../guests/many-ways.js", import.meta.url);
const CONFIG = parseExtensionConfig(
  Buffer.from(
    JSON.stringify({
      schema: 1,
      publisher: "acme",
      name: "ways",
      version: "1.0.0",
      wit: "caisson:ext@1.0.0",
      component: "ways.wasm",
      endpoints: [{ method: "POST", path: "/" }],
      capabilities: { log: {} },
    }),
  ),
);

let draft: Uint8Array;
let release: Uint8Array;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "caisson-ways-"));
  try {
    await mkdir(join(folder, "src"));
    await writeFile(join(folder, "src/index.ts"), await readFile(WAYS));
    draft = await buildComponent(folder, CONFIG, () => {}, "draft");
    release = await buildComponent(folder, CONFIG, () => {}, "release");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** The names in the guest's own order: the first byte of a body chooses by place. */
async function waysOf(): Promise<string[]> {
  const source = await readFile(WAYS, "utf8");
  const table = source.slice(source.indexOf("const ways = {"), source.indexOf("export const"));
  return [...table.matchAll(/^ {2}(\w+)(?::|,)/gm)].map(([, name]) => name ?? "");
}

function requestOf(names: readonly string[], name: string, more: Uint8Array): Request {
  const way = Uint8Array.of(65 + names.indexOf(name));
  return {
    method: "POST",
    body: Buffer.concat([way, more]),
    deadlineMicros: name === "forever" ? 300_000 : 20_000_000,
  };
}

const BODIES = [new Uint8Array(), Buffer.from("abc"), Buffer.alloc(3 << 20, "0123456789")];
const SEEN: readonly Request[] = [
  { method: "GET" },
  {
    method: "DELETE",
    seen: {
      path: "/caf\u00e9/\u{1f980}",
      query: "a=1&b=%20",
      params: [
        ["name", "\u00fc"],
        ["rest", ""],
      ],
      headers: [
        ["x-one", "1"],
        ["x-one", "\u00ff"],
        ["x-empty", ""],
      ],
    },
  },
  { method: "OPTIONS", seen: { headers: [] } },
  // As long as the method by which a runner takes a sample, and not that.
  { method: "CAISSON-SIMPLE" },
];

test("a release answers as a draft of the same sources: every way of the guest, with small and big bodies", async () => {
  await using rig = await Rig.start();
  const admit = async (component: Uint8Array) =>
    rig.admit(await compileComponent(nativePaths().compiler, "epoch", component, COMPILE_MS));
  const handles = [await admit(draft), await admit(release)];
  const names = await waysOf();
  let said = 0;
  // Time, and how much of a body had come when a call ended, are a call's own.
  const ask = async (request: Request) => {
    const answers = [];
    for (const handle of handles) {
      const { response, bytes, result } = await rig.answer(handle, request);
      const { bytesOut, logBytes, logLines, droppedLogLines } = result.usage;
      said += logLines;
      answers.push({
        response,
        bytes: bytes.toString("utf8"),
        ended: [result.outcome, result.rung, result.code],
        counted: { bytesOut, logBytes, logLines, droppedLogLines },
      });
    }
    expect(answers[1]).toEqual(answers[0]);
    return answers[0];
  };
  const outcomes = new Map<string, unknown>();
  for (const name of names)
    for (const body of BODIES)
      outcomes.set(name, (await ask(requestOf(names, name, body)))?.ended[0]);
  expect(Object.fromEntries(outcomes)).toMatchObject({
    language: "done",
    codecs: "done",
    shape: "done",
    setFirst: "done",
    copy: "done",
    throwError: "trapped",
    forever: "deadline",
  });
  for (const request of SEEN) {
    const { method, seen } = request;
    const answered = await ask(request);
    expect(JSON.parse(answered?.bytes ?? "")).toMatchObject({ method, path: seen?.path ?? "/" });
  }
  const sampled = await rig.answer(handles[1] ?? Buffer.of(), { method: "CAISSON-SAMPLE" });
  expect(JSON.parse(sampled.body)).toHaveProperty("random");
  const lines = await until("every log line", async () => {
    const all = rig.logs.flatMap((frame) => frame.lines);
    return all.length >= said ? all : null;
  });
  const [first, second] = handles.map((handle) =>
    lines
      .filter((line) => Buffer.compare(line.handle, handle) === 0)
      .map(({ level, text }) => [level, text]),
  );
  expect(first?.length).toBe(said / 2);
  expect(second).toEqual(first);
});

test("the text codecs of a release are those of the WHATWG Encoding standard, as Node has them", async () => {
  await using rig = await Rig.start();
  const code = await compileComponent(nativePaths().compiler, "epoch", release, COMPILE_MS);
  const handle = await rig.admit(code);
  const names = await waysOf();
  const { body } = await rig.answer(handle, requestOf(names, "codecs", new Uint8Array()));
  const source = await readFile(WAYS, "utf8");
  const from = source.indexOf("const TEXTS");
  const text = source.slice(from, source.indexOf("/** The request as an object"));
  const caught = source.slice(
    source.indexOf("function caught"),
    source.indexOf("/** What the lang"),
  );
  // What Node says of bytes that are not UTF-8 has other words.
  const expected = new Function(`${caught}\n${text}\nreturn codecs();`)() as string;
  const withoutWords = (said: string) => said.replaceAll(/TypeError[^"]*/g, "TypeError");
  expect(JSON.parse(withoutWords(body))).toEqual(JSON.parse(withoutWords(expected)));
});

test("a release is one module with the kit's adapter: it imports what the extension asks for, clocks and random, and exports the handler", async () => {
  const { imports, exports } = readComponentNames(release);
  expect(imports.toSorted()).toEqual([
    "caisson:ext/log@1.0.0",
    "caisson:ext/types@1.0.0",
    "wasi:clocks/monotonic-clock@0.2.0",
    "wasi:clocks/wall-clock@0.2.0",
    "wasi:random/random@0.2.0",
  ]);
  expect(exports).toEqual(["caisson:ext/handler@1.0.0"]);
  const CORE_MODULE = 1;
  const modules = readSections(release).filter(({ id }) => id === CORE_MODULE);
  // The guest, and the two small ones by which functions are lowered that need its memory.
  expect(modules).toHaveLength(3);
});

interface Extra {
  /** Goes into the second module, after its imports; `own` before that. */
  readonly body?: string;
  readonly own?: string;
  /** Makes the argument by which the second module takes `own`. */
  readonly before?: string;
  readonly arg?: string;
  /** Instructions of the function that runs after an answer. */
  readonly post?: string;
}

/** Two core modules that share a memory, as text. */
const linked = ({ body = "", own = "", before = "", arg = "", post = "" }: Extra) => `(component
  ${before}
  (core module $one (memory (export "memory") 1) (table (export "table") 20 funcref)
    (global (export "base") i32 (i32.const 8)) (func (export "seven") (result i32) i32.const 7))
  (core module $two (import "env" "memory" (memory 1)) (import "env" "table" (table 20 funcref))
    (import "env" "base" (global $base i32)) (import "env" "seven" (func $seven (result i32))) ${own}
    (func (export "caisson:inside/entry#answer") (param i32) (result i32) call $seven global.get $base i32.add i32.load8_u)
    (func (export "cabi_post_caisson:inside/entry#answer") (param i32) ${post})
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
    (data (i32.const 15) "*") ${body})
  (core instance $first (instantiate $one))
  (core instance $second (instantiate $two (with "env" (instance $first)) ${arg})))`;

interface Instantiated {
  readonly instance: { readonly exports: Readonly<Record<string, unknown>> };
}
/** Node's own engine; its types stand in the browser's library. */
const { WebAssembly: wasm } = globalThis as unknown as {
  WebAssembly: { instantiate: (bytes: Uint8Array, imports: object) => Promise<Instantiated> };
};

test("mergeGuest() makes the same bytes of the same component, and puts the linker's bases where they are used", async () => {
  const component = await parse(linked({ body: "(elem (global.get $base) func $seven)" }));
  const merged = await mergeGuest(component);
  expect(await mergeGuest(component)).toEqual(merged);
  const { instance } = await wasm.instantiate(new Uint8Array(merged), {
    "wasi:random/random@0.2.0": { "get-random-u64": () => 0n },
  });
  const handle = instance.exports["caisson:ext/handler@1.0.0#handle"] as (
    ...flat: number[]
  ) => number;
  expect(handle(...Array.from({ length: 11 }, () => 0))).toBe("*".charCodeAt(0));
  expect(Object.keys(instance.exports).toSorted()).toEqual([
    "cabi_post_caisson:ext/handler@1.0.0#handle",
    "cabi_realloc",
    "caisson:ext/handler@1.0.0#handle",
    "memory",
  ]);
});

test.each([
  ["a start function", linked({ body: "(func $go) (start $go)" }), "a start function"],
  [
    "an import that nothing answers",
    linked({
      before: `(import "wasi:sockets/tcp@0.2.0" (instance $net (export "reach" (func))))
        (alias export $net "reach" (func $reach)) (core func $lowered (canon lower (func $reach)))
        (core instance $bag (export "reach" (func $lowered)))`,
      own: '(import "wasi:sockets/tcp@0.2.0" "reach" (func $reach))',
      arg: '(with "wasi:sockets/tcp@0.2.0" (instance $bag))',
      post: "call $reach",
    }),
    "they import wasi:sockets/tcp@0.2.0 reach, which nothing answers",
  ],
])("mergeGuest() refuses a component with %s, and says so", async (_, text, why) => {
  const refused = mergeGuest(await parse(text));
  await expect(refused).rejects.toMatchObject({ code: "component.build" });
  await expect(refused).rejects.toThrow(why);
});

test("mergeGuest() refuses bytes that end early", async () => {
  for (let size = 0; size < 400; size += 7) {
    const error: unknown = await mergeGuest(draft.subarray(0, size)).catch(
      (cause: unknown) => cause,
    );
    expect(
      error instanceof ComponentError || (error as { code?: string }).code === "component.build",
    ).toBe(true);
  }
});
