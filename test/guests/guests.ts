import { readdirSync, readFileSync } from "node:fs";
import { componentEmbed, componentNew, parse } from "@bytecodealliance/jco-transpile/wasm-tools";

const here = new URL("./", import.meta.url);
const wit = new URL("../../sdk/wit/", import.meta.url);

/** One WIT text: a world with these imports that exports the handler, and the packages it needs. */
export function worldText(imports: readonly string[]): string {
  const folders = ["ext", "wasi"];
  const packages = folders.flatMap((folder) => readPackages(new URL(`${folder}/`, wit)));
  const lines = [
    ...imports.map((name) => `  import ${name};`),
    "  export caisson:ext/handler@1.0.0;",
  ];
  return [`package caisson:guest;`, `world guest {`, ...lines, `}`, ...packages].join("\n");
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

/** Builds `name`.wat, a core module, into a component. Its first line may name imports: `;; imports: a, b`. */
export async function buildGuest(name: string): Promise<Uint8Array> {
  const wat = readFileSync(new URL(`${name}.wat`, here), "utf8");
  const imports = /^;; imports: (.*)$/m.exec(wat)?.[1]?.split(", ") ?? [];
  const core = await parse(wat);
  const embedded = await componentEmbed({
    binary: core,
    witSource: worldText(imports),
    world: "guest",
    stringEncoding: "utf8",
  });
  return componentNew(embedded, []);
}
