// Runs on Node 20 without dependencies: installs what is missing, then goes on under the pinned Node.
import { createHash } from "node:crypto";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const NODE_FLOOR = [24, 15];

const steps = { start, edges, test, tour };
const verb = process.argv[2] ?? "";
if (!(verb in steps)) fail(`cannot run "${verb}": wanted one of ${Object.keys(steps).join(", ")}`);
process.chdir(root);
await steps[verb](process.argv.slice(3));

async function start(args) {
  const node = await install({ dev: false });
  // Development is asked for by name: here, by whoever types npm start and names no other mode.
  process.env.CAISSON_MODE ||= "development";
  await handOver(node, ["src/apps/all-in-one.ts", ...args]);
}

async function edges(args) {
  await handOver(await install({ dev: false }), ["src/apps/edges.ts", ...args]);
}

async function tour(args) {
  await handOver(await install({ dev: false }), ["scripts/tour.ts", ...args]);
}

async function test(args) {
  const node = await install({ dev: true });
  installDebian("postgresql-15", "/usr/lib/postgresql/15/bin/postgres");
  installDebian("clang", "/usr/bin/clang");
  installDebian("lld", "/usr/bin/wasm-ld");
  run(node, ["scripts/native.mjs", "build"]);
  if (args.length === 0) {
    run(node, ["node_modules/typescript/bin/tsc", "-b"]);
    run(node, ["node_modules/oxlint/bin/oxlint", "--type-aware", "--deny-warnings"]);
    run(node, ["node_modules/oxfmt/bin/oxfmt", "--check", "src", "test", "scripts"]);
    run(node, ["node_modules/knip/bin/knip.js"]);
  }
  const projects = ["--project", "unit", "--project", "process"];
  await handOver(node, ["node_modules/vitest/vitest.mjs", "run", ...projects, ...args]);
}

/** Brings node_modules to the lockfile; returns the Node to go on with. Nothing to do takes a few milliseconds. */
async function install({ dev }) {
  const hash = createHash("sha256").update(readFileSync("package-lock.json")).digest("hex");
  const mark = "node_modules/.caisson-install";
  const have = existsSync(mark) ? readFileSync(mark, "utf8").split(" ") : [];
  if (have[0] !== hash || (dev && have[1] !== "dev")) {
    await withLock(join(root, ".caisson-install.lock"), () => {
      say(
        `installing ${dev ? "everything" : "what running needs"} from the lockfile (about a minute)`,
      );
      const omit = dev ? [] : ["--omit=dev"];
      run("npm", [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        ...omit,
      ]);
      writeFileSync(mark, `${hash} ${dev ? "dev" : "run"}`);
    });
  }
  return pinnedNode();
}

/** What some tests compare with: installed where we may; where not, its tests are a named, expected skip. */
function installDebian(name, file) {
  if (
    existsSync(file) ||
    process.getuid?.() !== 0 ||
    spawnSync("apt-get", ["--version"]).status !== 0
  )
    return;
  say(`installing ${name} for the tests`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["update", "-q"], { stdio: "ignore", env });
  spawnSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", name], {
    stdio: "ignore",
    env,
  });
}

function pinnedNode() {
  if (isNewEnough(process.versions.node)) return process.execPath;
  const pinned = join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  const found = existsSync(pinned) ? spawnSync(pinned, ["--version"], { encoding: "utf8" }) : null;
  if (found?.status === 0 && isNewEnough(found.stdout.trim().slice(1))) return pinned;
  return fail(
    `cannot go on with Node ${process.versions.node}: Caisson needs Node ${NODE_FLOOR.join(".")} or newer, and the package node-${process.platform}-${process.arch} was not installed; install such a Node, or run npm ci without --omit=optional`,
  );
}

function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > NODE_FLOOR[0] || (major === NODE_FLOOR[0] && minor >= NODE_FLOOR[1]);
}

async function withLock(path, work) {
  for (let shown = false; ; await new Promise((r) => setTimeout(r, 200))) {
    try {
      const file = openSync(path, "wx");
      writeFileSync(file, String(process.pid));
      closeSync(file);
      break;
    } catch (error) {
      if (error.code !== "EEXIST")
        fail(`cannot write ${path}: ${error.message}; make the folder writable`);
      if (holderGone(path)) rmSync(path, { force: true });
      else if (!shown) shown = say(`waiting for another set-up in this folder (lock ${path})`);
    }
  }
  try {
    work();
  } finally {
    rmSync(path, { force: true });
  }
}

function holderGone(path) {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

function run(command, args) {
  try {
    execFileSync(command, args, { stdio: "inherit", env: childEnv() });
  } catch (error) {
    if (error.code === "ENOENT")
      fail(`cannot find ${command} on the PATH; install it and run the same command again`);
    process.exit(typeof error.status === "number" && error.status !== 0 ? error.status : 1);
  }
}

/** The child replaces us: signals go to it, its exit code is ours. */
async function handOver(node, args) {
  const child = spawn(node, ["--disable-warning=ExperimentalWarning", ...args], {
    stdio: "inherit",
    env: childEnv(),
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => child.kill(signal));
  const [code, signal] = await new Promise((resolve) =>
    child.on("exit", (...ends) => resolve(ends)),
  );
  process.exitCode = signal === null ? code : 1;
}

function childEnv() {
  const cache = process.env.NODE_COMPILE_CACHE ?? join(root, "node_modules/.cache/caisson-compile");
  mkdirSync(cache, { recursive: true });
  return { ...process.env, NODE_COMPILE_CACHE: cache };
}

function say(text) {
  process.stderr.write(`caisson: ${text}\n`);
  return true;
}

function fail(text) {
  say(text);
  process.exit(1);
}
