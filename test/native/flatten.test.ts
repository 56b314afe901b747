import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { componentize } from "componentize-qjs";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { beforeAll, expect, test, vi } from "vitest";
import { flattenComponent } from "#kit";
import { compileComponent } from "#runner";
import { readSections } from "../../src/kit/wasm-sections.ts";
import { buildGuest, worldText } from "../guests/guests.ts";
import { Rig } from "./harness.ts";
import type { Request } from "./harness.ts";
import { nativePaths } from "./native-paths.ts";
import { until } from "../e2e/until.ts";

// Each test builds several times; a busy machine takes its time over that.
vi.setConfig({ testTimeout: 300_000 });

const COMPILE_MS = 60_000;
const WAYS = new URL("../guests/many-ways.js", import.meta.url);

let stock: Uint8Array;
let flat: Uint8Array;
beforeAll(async () => {
  stock = await stockComponent();
  const flattened = await flattenComponent(stock);
  expect(flattened.leftBecause).toBeNull();
  flat = flattened.component;
});

/** As the toolchain makes it: without the prelude, so that the engine's frozen generator answers. */
async function stockComponent(): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "caisson-stock-"));
  try {
    const witPath = join(folder, "world.wit");
    await writeFile(witPath, worldText(["caisson:ext/log@1.0.0"]));
    const jsSource = await readFile(WAYS, "utf8");
    const { component } = await componentize({ jsSource, witPath, world: "guest", sync: true });
    return new Uint8Array(component);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

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

test("a flattened component answers as the one it was made from: every way of the guest, with small and big bodies", async () => {
  await using rig = await Rig.start();
  const admit = async (component: Uint8Array) =>
    rig.admit(await compileComponent(nativePaths().compiler, "epoch", component, COMPILE_MS));
  const handles = [await admit(stock), await admit(flat)];
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
        bytes: bytes.toString("base64"),
        ended: [result.outcome, result.rung, result.code],
        counted: { bytesOut, logBytes, logLines, droppedLogLines },
      });
    }
    expect(answers[1]).toEqual(answers[0]);
    return answers[0]?.ended[0];
  };
  const outcomes = new Map<string, unknown>();
  for (const name of names)
    for (const body of BODIES) outcomes.set(name, await ask(requestOf(names, name, body)));
  await ask({ method: "GET" });
  expect(Object.fromEntries(outcomes)).toMatchObject({
    language: "done",
    copy: "done",
    throwError: "trapped",
    forever: "deadline",
  });
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

test("flattenComponent() makes the same bytes of the same component, and leaves a flattened one as it is", async () => {
  expect((await flattenComponent(stock)).component).toEqual(flat);
  const again = await flattenComponent(flat);
  expect(again.component).toBe(flat);
  expect(again.leftBecause).toMatch("no modules that share a memory");
});

/** Two core modules that share a memory, as text; `extra` goes into the second, `between` before its instance. */
const linked = (extra: string, between = "") => `(component
  (core module $one (memory (export "memory") 1) (table (export "table") 20 funcref)
    (global (export "base") i32 (i32.const 8)) (func (export "seven") (result i32) i32.const 7))
  (core module $two (import "env" "memory" (memory 1)) (import "env" "table" (table 20 funcref))
    (import "env" "base" (global $base i32)) (import "env" "seven" (func $seven (result i32)))
    (func (export "answer") (result i32) call $seven global.get $base i32.add i32.load8_u)
    (data (i32.const 15) "*") ${extra})
  (core module $other)
  (core instance $first (instantiate $one))
  ${between}
  (core instance $second (instantiate $two (with "env" (instance $first))))
  (func (export "answer") (result u32) (canon lift (core func $second "answer"))))`;

test("flattenComponent() merges two small modules that share a memory", async () => {
  const component = await parse(linked("(elem (global.get $base) func)"));
  const flattened = await flattenComponent(component);
  expect(flattened.leftBecause).toBeNull();
  const sections = readSections(flattened.component);
  const CORE_MODULE = 1;
  expect(sections.filter(({ id }) => id === CORE_MODULE)).toHaveLength(1);
  await compileComponent(nativePaths().compiler, "epoch", flattened.component, COMPILE_MS);
});

test.each([
  ["a start function", linked("(func $go) (start $go)")],
  ["another module in between", linked("", "(core instance (instantiate $other))")],
  [
    "a nested component that takes a core module",
    linked("", "(component (alias outer 1 2 (core module)))"),
  ],
])("flattenComponent() leaves a component with %s as it is, and says so", async (_, text) => {
  const component = await parse(text);
  const { component: left, leftBecause } = await flattenComponent(component);
  expect(left).toBe(component);
  expect(leftBecause).toMatch(/./);
});

test("flattenComponent() leaves bytes that end early as they are", async () => {
  for (let size = 0; size < 400; size += 7) {
    const cut = stock.subarray(0, size);
    expect((await flattenComponent(cut)).component).toBe(cut);
  }
});

test("flattenComponent() leaves a component of one module as it is", async () => {
  const hello = await buildGuest("hello");
  const { component, leftBecause } = await flattenComponent(hello);
  expect(component).toBe(hello);
  expect(leftBecause).not.toBeNull();
});
