import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nativePaths } from "./native-paths.ts";

const platform = `${process.platform}-${process.arch}`;
let folder = "";
let root = "";
let installed = "";

/** A clone with the platform package that `native.mjs pack` makes, installed, and an empty cache. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "caisson-package-"));
  root = join(folder, "clone");
  installed = join(root, "node_modules", "@caisson", `native-${platform}`);
  mkdirSync(join(root, "scripts"), { recursive: true });
  for (const name of ["native", "sdk", "package.json"])
    symlinkSync(join(process.cwd(), name), join(root, name));
  copyFileSync("scripts/native.mjs", join(root, "scripts", "native.mjs"));
  const { sandbox } = nativePaths();
  execFileSync(process.execPath, ["scripts/native.mjs", "pack"], {
    cwd: root,
    env: {
      ...process.env,
      CAISSON_NATIVE_DIR: join(sandbox, ".."),
      XDG_CACHE_HOME: join(folder, "cache"),
    },
  });
  mkdirSync(installed, { recursive: true });
  const [archive = ""] = readdirSync(join(root, "dist"));
  execFileSync("tar", [
    "-xzf",
    join(root, "dist", archive),
    "--strip-components=1",
    "-C",
    installed,
  ]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function find(): unknown {
  const script = `import { findNative } from ${JSON.stringify(join(root, "scripts", "native.mjs"))}; console.log(JSON.stringify(findNative()));`;
  const env = { PATH: process.env["PATH"] ?? "", XDG_CACHE_HOME: join(folder, "empty") };
  return JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      env,
      encoding: "utf8",
    }),
  );
}

test("findNative() takes the platform package made from the same sources", () => {
  expect(find()).toMatchObject({
    from: "package",
    sandbox: join(installed, "bin", "caisson-sandbox"),
    compiler: join(installed, "bin", "caisson-compiler"),
  });
});

test("findNative() passes over a platform package made from other sources", () => {
  const path = join(installed, "package.json");
  const manifest = JSON.parse(readFileSync(path, "utf8")) as { caissonSourceHash: string }; // written by pack
  writeFileSync(path, JSON.stringify({ ...manifest, caissonSourceHash: "0".repeat(64) }));
  expect(find()).toBeNull();
  writeFileSync(path, JSON.stringify(manifest));
  expect(find()).toMatchObject({ from: "package" });
});

test("the platform package runs only where it was made for", () => {
  const manifest: unknown = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  expect(manifest).toMatchObject({
    os: [process.platform],
    cpu: [process.arch],
    libc: [expect.stringMatching(/^(glibc|musl)$/)],
  });
  expect(existsSync(join(installed, "bin", "caisson-sandbox"))).toBe(true);
});
