import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

let clone: string;
beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), "cai-release-"));
  execFileSync("git", ["clone", "--quiet", "--no-hardlinks", process.cwd(), clone]);
  symlinkSync(resolve("node_modules"), join(clone, "node_modules"));
  // A link is no folder: .gitignore does not hide it.
  appendFileSync(join(clone, ".git/info/exclude"), "node_modules\n");
});
afterAll(() => rmSync(clone, { recursive: true, force: true }));

function release(): { readonly status: number | null; readonly stderr: string } {
  const args = [join(clone, "scripts/release.mjs")];
  return spawnSync(process.execPath, args, { cwd: clone, encoding: "utf8" });
}

test("a release holds the platform package, the sources and their checksums", () => {
  expect(release().status).toBe(0);
  const dist = join(clone, "dist");
  const names = readdirSync(dist);
  const made = new Set(names.map((name) => name.replace(/\d+\.\d+\.\d+/, "V")));
  expect(made).toEqual(
    new Set(["caisson-native-linux-x64-V.tgz", "caisson-V.tar.gz", "SHA256SUMS"]),
  );
  for (const line of readFileSync(join(dist, "SHA256SUMS"), "utf8").trim().split("\n")) {
    const [sum, name = ""] = line.split("  ");
    const bytes = readFileSync(join(dist, name));
    expect(createHash("sha256").update(bytes).digest("hex"), name).toBe(sum);
  }
  const sources = names.find((name) => name.endsWith(".tar.gz")) ?? "";
  const listed = execFileSync("tar", ["tzf", join(dist, sources)], { encoding: "utf8" });
  expect(listed).toContain("/src/apps/all-in-one.ts\n");
});

test("no release is made of what is not committed", () => {
  writeFileSync(join(clone, "README.md"), "other");
  const { status, stderr } = release();
  expect(status).toBe(1);
  expect(stderr).toContain("differs from its last commit");
});
