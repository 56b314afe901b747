import { readdirSync, readFileSync } from "node:fs";
import { componentEmbed, componentNew, parse } from "@bytecodealliance/jco-transpile/wasm-tools";

const wit = new URL("../../sdk/wit/", import.meta.url);
/** What no sandbox provides, so that a guest can ask for it. */
const FOREIGN = "package test:reach@1.0.0 {\n  interface network {\n    connect: func();\n  }\n}";

/** One WIT text: a world with these imports that exports the handler, and the packages it needs. */
export function worldText(imports: readonly string[]): string {
  const packages = ["config", "ext", "http", "kv", "metrics", "wasi"].flatMap((folder) =>
    readPackages(new URL(`${folder}/`, wit)),
  );
  const lines = [
    ...imports.map((name) => `  import ${name};`),
    "  export caisson:ext/handler@1.0.0;",
  ];
  return ["package caisson:guest;", "world guest {", ...lines, "}", ...packages, FOREIGN].join(
    "\n",
  );
}

/** Files of one package become one nested `package name { … }`. */
function readPackages(folder: URL): string[] {
  const bodies = new Map<string, string[]>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".wit"))) {
    const text = readFileSync(new URL(file, folder), "utf8");
    const name = /^package ([^;]+);/m.exec(text)?.[1] ?? "";
    bodies.set(name, [...(bodies.get(name) ?? []), text.replace(/^package [^;]+;/m, "")]);
  }
  return [...bodies].map(([name, texts]) => `package ${name} {\n${texts.join("\n")}\n}`);
}

/** Builds `<name>.wat` into a component: imports, `shared.wat`, the body's `$handle`, and the export that calls it. */
export async function buildGuest(name: string): Promise<Uint8Array> {
  const read = (file: string) => readFileSync(new URL(file, import.meta.url), "utf8");
  const body = read(`${name}.wat`);
  const imports = /^ *;; imports: (.*)$/m.exec(body)?.[1]?.split(", ") ?? [];
  const own = /^ *\(import .*$/gm;
  const entry = `(global $incoming (mut i32) (i32.const 0))
  (func (export "caisson:ext/handler@1.0.0#handle") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (global.set $incoming (local.get 10)) (call $handle))`;
  const text = [
    "(module",
    ...(body.match(own) ?? []),
    read("shared.wat"),
    entry,
    body.replace(own, ""),
    ")",
  ].join("\n");
  const embedded = await componentEmbed({
    binary: await parse(text),
    witSource: worldText(imports),
    world: "guest",
    stringEncoding: "utf8",
  });
  return componentNew(embedded, []);
}
