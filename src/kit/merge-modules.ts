import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { renameModule, requirePlain } from "./core-module.ts";
import { KitError } from "./kit-error.ts";

const run = promisify(execFile);
const MERGE_MS = 120_000;
const OUTPUT_BYTES = 1 << 20;
/** What the engine takes, and GC: only it lets an offset name a global of the same module, until that is folded. */
const FEATURES = [
  "mutable-globals",
  "sign-ext",
  "nontrapping-float-to-int",
  "bulk-memory",
  "multivalue",
  "reference-types",
  "simd",
  "extended-const",
  "gc",
].map((feature) => `--enable-${feature}`);
/** Puts the bases that the linker handed around where they are used; nothing else is changed. */
const PASSES = ["--simplify-globals", "--remove-unused-module-elements"];

/** A module to merge: its name, and the names that its imports and exports take. */
export interface MergePart {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly importName: (module: string, name: string) => readonly [module: string, name: string];
  readonly exportName: (name: string) => string;
}

/**
 * Merges core modules into one that needs no proposal that they did not need. exports: the names under which exports stay.
 * Throws KitError "component.build" where the merger fails or something is left that the engine would not take.
 */
export async function mergeModules(
  parts: readonly MergePart[],
  exports: ReadonlyMap<string, string>,
): Promise<Uint8Array> {
  const work = await mkdtemp(join(tmpdir(), "caisson-merge-"));
  try {
    const inputs: string[] = [];
    for (const { name, bytes, importName, exportName } of parts) {
      const file = join(work, `${name}.wasm`);
      const rename = renameModule(
        bytes,
        (entry) => importName(entry.module, entry.name),
        exportName,
      );
      await writeFile(file, rename);
      inputs.push(file, name);
    }
    const [all, some, folded] = ["all", "some", "folded"].map((name) => join(work, name)) as [
      string,
      string,
      string,
    ]; // three in, three out
    await binaryen("wasm-merge", [...inputs, "-o", all, ...FEATURES]);
    const wanted = renameModule(
      await readFile(all),
      ({ module, name }) => [module, name],
      (name) => exports.get(name) ?? null,
    );
    await writeFile(some, wanted);
    await binaryen("wasm-opt", [some, "-o", folded, ...FEATURES, ...PASSES]);
    const merged = new Uint8Array(await readFile(folded));
    requirePlain(merged);
    return merged;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The package ships its tools as scripts for Node. */
async function binaryen(tool: string, args: readonly string[]): Promise<void> {
  const root = dirname(fileURLToPath(import.meta.resolve("binaryen/package.json")));
  try {
    await run(process.execPath, [join(root, "bin", tool), ...args], {
      timeout: MERGE_MS,
      maxBuffer: OUTPUT_BYTES,
    });
  } catch (cause) {
    const { stderr } = cause as { stderr?: string }; // execFile's rejection
    throw new KitError(
      "component.build",
      `cannot merge core modules: ${tool} failed: ${stderr ?? ""}`,
      {
        cause,
      },
    );
  }
}
