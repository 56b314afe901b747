import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readComponentNames } from "#contract";
import type { ExtensionConfig } from "#contract";
import { bundleGuest } from "./bundle-guest.ts";
import type { Effort } from "./bundle-guest.ts";
import { KitError } from "./kit-error.ts";
import { withSourceLines } from "./line-table.ts";
import { mergeGuest } from "./merge-guest.ts";
import { stripExports } from "./strip-exports.ts";
import { clockedWorldText, insideWorldText, WORLD, worldText } from "./world.ts";

/** What an extension is written in, by the source file that its folder holds. */
const SOURCES = [
  { file: "src/index.ts", build: buildTypeScript },
  { file: "src/main.c", build: buildC },
  { file: "src/main.wat", build: buildWat },
] as const;

interface Sources {
  readonly source: string;
  /** A folder for this build alone. */
  readonly work: string;
  readonly config: ExtensionConfig;
  readonly say: (text: string) => void;
  readonly effort: Effort;
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
    const component = stripExports(
      await source.build({ source: join(folder, source.file), work, config, say, effort }),
    );
    requireHandler(component);
    return component;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function requireHandler(component: Uint8Array): void {
  const { exports } = readComponentNames(component);
  if (!exports.includes("caisson:ext/handler@1.0.0"))
    throw new KitError(
      "component.exports",
      `cannot use the component: it exports ${exports.join(", ") || "nothing"}, wanted caisson:ext/handler@1.0.0`,
    );
}

/** The toolchain links several modules at every call and makes the whole request of them; a release is one module that makes what is asked for. */
async function buildTypeScript(sources: Sources): Promise<Uint8Array> {
  const { config, effort } = sources;
  if (effort === "draft") return componentize(sources, await worldText(config.capabilities));
  const guest = await componentize(sources, await insideWorldText(config.capabilities));
  const world = await clockedWorldText(config.capabilities);
  return wrapModule(sources.source, await mergeGuest(guest), world);
}

async function componentize(
  { source, work, config, say, effort }: Sources,
  world: string,
): Promise<Uint8Array> {
  const { code, lines } = await bundleGuest(source, config, say, effort);
  const witPath = join(work, "world.wit");
  await writeFile(witPath, world);
  const toolchain = await import("componentize-qjs");
  try {
    const { component } = await toolchain.componentize({
      witPath,
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
async function buildWat({ source, config }: Sources): Promise<Uint8Array> {
  const { parse } = await import("@bytecodealliance/jco-transpile/wasm-tools");
  const bytes = await parse(await readFile(source, "utf8")).catch((cause: Error) => {
    throw new KitError("component.build", `cannot build ${source}: ${cause.message}`, { cause });
  });
  const isComponent = bytes[4] === 0x0d;
  return isComponent ? bytes : wrapModule(source, bytes, await worldText(config.capabilities));
}

async function wrapModule(
  source: string,
  module: Uint8Array,
  witSource: string,
): Promise<Uint8Array> {
  const { componentEmbed, componentNew } =
    await import("@bytecodealliance/jco-transpile/wasm-tools");
  try {
    const stringEncoding = "utf8";
    const embedded = await componentEmbed({
      binary: module,
      witSource,
      world: WORLD,
      stringEncoding,
    });
    return await componentNew(embedded, []);
  } catch (cause) {
    throw new KitError(
      "component.build",
      `cannot make a component of ${source}: ${oneLine((cause as Error).message)}`,
      { cause },
    );
  }
}

async function buildC({ source, work, config }: Sources): Promise<Uint8Array> {
  const { compileC } = await import("./compile-c.ts");
  return wrapModule(source, await compileC(source, work), await worldText(config.capabilities));
}
