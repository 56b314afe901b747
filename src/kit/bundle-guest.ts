import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildFailure, OutputFile, Plugin } from "esbuild";
import { capabilityInterfaces } from "#contract";
import type { ExtensionConfig } from "#contract";
import { KitError } from "./kit-error.ts";
import { readLineTable, writeLineTable } from "./line-table.ts";
import type { LineTable } from "./line-table.ts";

const GUEST = fileURLToPath(new URL("../../sdk/guest/", import.meta.url));
/** The kit's own modules in a bundle; by such a name no path of this machine gets into it. */
const NAMESPACE = "caisson-kit";
/** Text codecs, in the form that the effort has. */
const TEXT = `${NAMESPACE}:text`;
/** name: of the interface that the bundle exports. */
const FORMS = {
  draft: { name: "handler", text: "portable-text.js" },
  release: { name: "entry", text: "inside-text.js" },
} as const;
const LINES = "@caisson-lines@";
/** More lines than that are not worth their place in every instance's memory. */
const MAX_TABLE_BYTES = 64 << 10;

/** A draft leaves out what makes calls cheaper and builds longer. */
export type Effort = "draft" | "release";

export interface GuestBundle {
  readonly code: string;
  readonly lines: LineTable;
}

/** Bundles an extension's source with the prelude and the handler's guard. source: `<folder>/src/index.ts`. Throws KitError "component.build" with file and line. */
export async function bundleGuest(
  source: string,
  { capabilities }: ExtensionConfig,
  say: (text: string) => void,
  effort: Effort,
): Promise<GuestBundle> {
  const { build } = await import("esbuild");
  const folder = dirname(dirname(resolve(source)));
  const built = await build({
    stdin: {
      contents: entryText(capabilities.includes("log"), effort),
      resolveDir: folder,
      sourcefile: `${NAMESPACE}:entry`,
    },
    absWorkingDir: folder,
    outfile: join(folder, "bundle.js"),
    bundle: true,
    write: false,
    sourcemap: "external",
    format: "esm",
    platform: "neutral",
    target: "es2023",
    external: ["caisson:*", "wasi:*"],
    plugins: [kitModules(effort)],
    logLevel: "silent",
  }).catch((cause: unknown) => {
    throw new KitError(
      "component.build",
      `cannot bundle ${source}: ${failuresOf(cause as BuildFailure)}`,
      { cause },
    );
  });
  return withLines(built.outputFiles, say);
}

function entryText(hasLog: boolean, effort: Effort): string {
  const { name } = FORMS[effort];
  return [
    `import "${NAMESPACE}:prelude.js";`,
    `import { exported } from "${NAMESPACE}:${effort}.js";`,
    hasLog ? `import { write } from "${capabilityInterfaces.log}";` : "const write = null;",
    'import * as extension from "./src/index.ts";',
    `export const ${name} = exported(extension.handler, write, "${LINES}");`,
  ].join("\n");
}

function kitModules(effort: Effort): Plugin {
  return {
    name: NAMESPACE,
    setup: (build) => {
      build.onResolve({ filter: new RegExp(`^${NAMESPACE}:`) }, ({ path }) => ({
        path: path === TEXT ? FORMS[effort].text : path.slice(NAMESPACE.length + 1),
        namespace: NAMESPACE,
      }));
      build.onLoad({ filter: /./, namespace: NAMESPACE }, async ({ path }) => ({
        contents: await readFile(join(GUEST, path), "utf8"),
        loader: "js",
      }));
    },
  };
}

function failuresOf({ errors, message }: BuildFailure): string {
  const places = (errors ?? []).map(({ location, text }) =>
    location === null ? text : `${location.file}:${location.line}:${location.column + 1}: ${text}`,
  );
  return places.length === 0 ? message : places.join("; ");
}

/** The table takes the place of a text in the last line, so that no line of the bundle moves. */
function withLines(outputs: readonly OutputFile[], say: (text: string) => void): GuestBundle {
  const [code = "", map = "{}"] = [".js", ".map"].map(
    (end) => outputs.find(({ path }) => path.endsWith(end))?.text,
  );
  const own = (name: string) => !name.startsWith(`${NAMESPACE}:`);
  const tables = [own, (name: string) => own(name) && !name.includes("node_modules/")].map((keep) =>
    readLineTable(map, keep),
  );
  const lines = tables.find((table) => writeLineTable(table).length <= MAX_TABLE_BYTES);
  if (lines === undefined)
    say("the sources have too many lines: an exception in the log will name none of them");
  const at = code.lastIndexOf(JSON.stringify(LINES));
  const table = JSON.stringify(lines === undefined ? "" : writeLineTable(lines));
  return {
    code: code.slice(0, at) + table + code.slice(at + LINES.length + 2),
    lines: lines ?? { files: [], lines: [] },
  };
}
