import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readComponentNames } from "#contract";
import type { ExtensionConfig } from "#contract";
import { bundleGuest } from "./bundle-guest.ts";
import { flattenComponent } from "./flatten-component.ts";
import { KitError } from "./kit-error.ts";
import { withSourceLines } from "./line-table.ts";
import { stripExports } from "./strip-exports.ts";
import { WORLD, worldText } from "./world.ts";

const WIT_FILE = "world.wit";

/** What an extension is written in, by the source file that its folder holds. */
const SOURCES = [
  { file: "src/index.ts", build: buildTypeScript },
  { file: "src/main.c", build: buildC },
  { file: "src/main.wat", build: buildWat },
] as const;

/** A draft leaves out what makes calls cheaper and builds longer. */
export type Effort = "draft" | "release";

interface Sources {
  readonly source: string;
  /** A folder for this build alone. */
  readonly work: string;
  readonly config: ExtensionConfig;
  readonly say: (text: string) => void;
}

/**
 * Builds the component of an extension's folder; say: takes one line where something is not as fast as it could be.
 * Throws KitError "project.source", "component.build", "component.exports".
 */
export async function buildComponent(
  folder: string,
  config: ExtensionConfig,
  say: (text: string) => void,
  effort: Effort,
): Promise<Uint8Array> {
  const source = SOURCES.find(({ file }) => existsSync(join(folder, file)));
  if (source === undefined)
    throw new KitError(
      "project.source",
      `cannot build ${folder}: wanted one of ${SOURCES.map(({ file }) => file).join(", ")}`,
    );
  const work = await mkdtemp(join(tmpdir(), "caisson-build-"));
  try {
    await writeFile(join(work, WIT_FILE), await worldText(config.capabilities));
    const component = stripExports(
      await source.build({ source: join(folder, source.file), work, config, say }),
    );
    requireHandler(component);
    return source.build === buildTypeScript && effort === "release"
      ? await flattened(component, say)
      : component;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The toolchain links several modules at every instantiation; one is enough. Whatever does not fit stays as it is, and works. */
async function flattened(component: Uint8Array, say: (text: string) => void): Promise<Uint8Array> {
  const { component: made, leftBecause } = await flattenComponent(component);
  if (leftBecause !== null)
    say(`the component is not flattened, so each call costs more: ${leftBecause}`);
  return made;
}

function requireHandler(component: Uint8Array): void {
  const { exports } = readComponentNames(component);
  if (!exports.includes("caisson:ext/handler@1.0.0"))
    throw new KitError(
      "component.exports",
      `cannot use the component: it exports ${exports.join(", ") || "nothing"}, wanted caisson:ext/handler@1.0.0`,
    );
}

async function buildTypeScript({ source, work, config, say }: Sources): Promise<Uint8Array> {
  const { code, lines } = await bundleGuest(source, config, say);
  const { componentize } = await import("componentize-qjs");
  try {
    const { component } = await componentize({
      witPath: join(work, WIT_FILE),
      jsSource: code,
      world: WORLD,
      sync: true,
    });
    return new Uint8Array(component);
  } catch (cause) {
    throw new KitError(
      "component.build",
      `cannot make a component of ${source}: ${oneLine(withSourceLines((cause as Error).message, lines))}`,
      { cause },
    );
  }
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, " ");
}

/** The text is a whole component, or a core module with the canonical ABI's names that is wrapped into one. */
async function buildWat({ source, work }: Sources): Promise<Uint8Array> {
  const { parse } = await import("@bytecodealliance/jco-transpile/wasm-tools");
  try {
    const bytes = await parse(await readFile(source, "utf8"));
    return bytes[4] === 0x0d ? bytes : await wrapModule(bytes, work);
  } catch (cause) {
    throw new KitError("component.build", `cannot build ${source}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function wrapModule(module: Uint8Array, work: string): Promise<Uint8Array> {
  const { componentEmbed, componentNew } =
    await import("@bytecodealliance/jco-transpile/wasm-tools");
  const witSource = await readFile(join(work, WIT_FILE), "utf8");
  const embedded = await componentEmbed({
    binary: module,
    witSource,
    world: WORLD,
    stringEncoding: "utf8",
  });
  return componentNew(embedded, []);
}

async function buildC({ source, work }: Sources): Promise<Uint8Array> {
  const { compileC } = await import("./compile-c.ts");
  return wrapModule(await compileC(source, work), work);
}
