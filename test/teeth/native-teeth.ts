import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Claim } from "../claims/claim.ts";
import { ScratchTree } from "./scratch-tree.ts";

const EXECUTABLES = ["caisson-sandbox", "caisson-compiler"];

/** True where the check is in the executables: it is taken out of the one mutated build. */
export function isNative(claim: Claim): boolean {
  return claim.tooth.some(({ file }) => file.startsWith("native/"));
}

/** All Rust teeth in one fast build; returns the folder of its executables. Throws when cargo does not build it. */
export async function buildMutated(clone: string, claims: readonly Claim[]): Promise<string> {
  using tree = new ScratchTree(clone);
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "caisson/teeth");
  const edits = claims.flatMap(({ tooth }) =>
    tooth.filter(({ file }) => file.startsWith("native/")),
  );
  const once = edits.filter(
    (one, i) => edits.findIndex(({ file, find }) => file === one.file && find === one.find) === i,
  );
  return await tree.with(once, async () => {
    const target = join(cache, "target");
    for (const name of EXECUTABLES) {
      const args = ["build", "--profile", "fast", "--locked", "-j2", "-p", name];
      const done = spawnSync("cargo", args, {
        cwd: join(tree.root, "native"),
        env: { ...process.env, CARGO_TARGET_DIR: target },
        stdio: ["ignore", "inherit", "inherit"],
      });
      if (done.status !== 0) throw new Error(`cannot build ${name} without its checks`);
    }
    const out = join(cache, "bin");
    mkdirSync(out, { recursive: true });
    for (const name of EXECUTABLES) copyFileSync(join(target, "fast", name), join(out, name));
    return out;
  });
}
