import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const NATIVE = new URL("../../native", import.meta.url);
/** Of the crates that stand without the engine: their tests build in seconds, and nothing else runs them. */
const CRATES = ["caisson-frames", "caisson-turns"];
const BUILD_MS = 300_000;

const cargo = spawnSync("cargo", ["--version"]).status === 0;

test.skipIf(!cargo)(
  "cargo is present, and the crates without an engine pass their own tests",
  () => {
    const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "caisson/units");
    const done = spawnSync(
      "cargo",
      ["test", "--locked", "-j2", ...CRATES.flatMap((name) => ["-p", name])],
      {
        cwd: NATIVE,
        env: { ...process.env, CARGO_TARGET_DIR: cache },
        encoding: "utf8",
        timeout: BUILD_MS,
      },
    );
    expect(done.status, done.stdout + done.stderr).toBe(0);
    expect(done.stdout).toContain("busy_tenants_get_equal_time");
    expect(done.stdout).toContain("readers_and_writers_agree_with_the_valid_vectors");
  },
  BUILD_MS,
);
