import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What a run of the tests speaks of: everything that is built, run or tested. */
const FOLDERS = ["src", "native", "sdk", "extensions", "scripts", "test"];
const FILES = ["package.json", "package-lock.json"];
const BUILT = new Set(["target", "node_modules", "dist", ".build"]);

/** One digest over the sources under `root`, 64 hex digits: whether a run was of these sources. */
export function sourceDigest(root: string): string {
  const hash = createHash("sha256");
  const paths = FOLDERS.flatMap((folder) => filesUnder(root, folder));
  for (const path of [...paths, ...FILES].toSorted()) {
    const content = createHash("sha256")
      .update(readFileSync(join(root, path)))
      .digest("hex");
    hash.update(`${content}  ${path}\n`);
  }
  return hash.digest("hex");
}

function filesUnder(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return BUILT.has(entry.name) ? [] : filesUnder(root, path);
    return entry.isFile() && !path.endsWith(".tsbuildinfo") ? [path] : [];
  });
}
