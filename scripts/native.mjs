// Finds or builds the native executables. Plain JavaScript without dependencies; runs on Node 20.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const EXECUTABLES = ["caisson-sandbox", "caisson-compiler"];
/** Of native/Cargo.toml, in the order above. */
const PROFILES = ["sandbox", "release"];
/** What cargo reads outside of native/. */
const OTHER_SOURCES = ["sdk/wit/toolchain-imports.txt"];
const CARGO_FLOOR = [1, 95];
const LOCK_WAIT_MS = 500;

/** @typedef {{ sandbox: string, compiler: string, sourceHash: string, from: "folder" | "package" | "cache" | "build" }} NativePaths */

/**
 * The two executables: from the folder that CAISSON_NATIVE_DIR names, the platform package, the cache, or else built.
 * Throws an Error whose message names the way out.
 * @returns {NativePaths}
 */
export function nativePaths() {
  return findNative() ?? build();
}

/**
 * The same without building; null when nothing fits.
 * @returns {NativePaths | null}
 */
export function findNative() {
  const sourceHash = hashSources();
  const named = process.env["CAISSON_NATIVE_DIR"];
  if (named !== undefined && named !== "")
    return (
      inFolder(named, sourceHash, "folder") ??
      fail(`cannot use CAISSON_NATIVE_DIR "${named}": wanted ${EXECUTABLES.join(" and ")} in it`)
    );
  return inPackage(sourceHash) ?? inFolder(join(cacheFolder(), sourceHash), sourceHash, "cache");
}

/** SHA-256 over the path and bytes of every source of the executables, Cargo.lock among them. */
export function hashSources() {
  const hash = createHash("sha256");
  const files = [
    ...listFiles(join(root, "native")),
    ...OTHER_SOURCES.map((path) => join(root, path)),
  ];
  for (const file of files.map((path) => relative(root, path)).sort()) {
    const bytes = readFileSync(join(root, file));
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

function listFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory())
      return ["target", "tests"].includes(entry.name) ? [] : listFiles(join(folder, entry.name));
    return entry.isFile() ? [join(folder, entry.name)] : [];
  });
}

function inFolder(folder, sourceHash, from) {
  const [sandbox, compiler] = EXECUTABLES.map((name) => join(folder, name));
  return existsSync(sandbox) && existsSync(compiler)
    ? { sandbox, compiler, sourceHash, from }
    : null;
}

/** A prebuilt package counts only when it was made from exactly these sources. */
function inPackage(sourceHash) {
  const folder = join(root, "node_modules", "@caisson", `native-${platform()}`);
  try {
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return manifest.caissonSourceHash === sourceHash
      ? inFolder(join(folder, "bin"), sourceHash, "package")
      : null;
  } catch {
    return null;
  }
}

function platform() {
  return `${process.platform}-${process.arch}`;
}

function cacheFolder() {
  const base = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(base, "caisson", "native");
}

/** One build at a time on this machine; whoever waited finds the other's result. */
function build() {
  mkdirSync(cacheFolder(), { recursive: true });
  const release = takeLock(join(cacheFolder(), "lock"));
  try {
    return findNative() ?? runCargo();
  } finally {
    release();
  }
}

function takeLock(path) {
  for (let told = false; ;) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (!holderLives(path)) rmSync(path, { force: true });
    else if (!told) told = say("waiting for another build of the native executables");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_WAIT_MS);
  }
}

function holderLives(path) {
  try {
    process.kill(Number(readFileSync(path, "utf8")), 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function runCargo() {
  ensureCargo();
  const sourceHash = hashSources();
  const target = join(cacheFolder(), "target");
  say("building the native executables; the first time takes several minutes");
  // One package per run: together, cargo would link the code generator into the sandbox as well.
  for (const [i, name] of EXECUTABLES.entries()) {
    const profile = PROFILES[i] ?? "";
    const done = spawnSync(
      "cargo",
      ["build", "--profile", profile, "--locked", "-j2", "-p", name],
      {
        cwd: join(root, "native"),
        env: { ...process.env, CARGO_TARGET_DIR: target },
        stdio: ["ignore", "inherit", "inherit"],
      },
    );
    if (done.status !== 0)
      fail(
        `cannot build ${name}: cargo ended with ${done.status ?? done.signal}; its own lines above say why`,
      );
  }
  install(target, join(cacheFolder(), sourceHash));
  return { ...inFolder(join(cacheFolder(), sourceHash), sourceHash, "cache"), from: "build" };
}

/** Copies beside the goal and renames, so that nobody ever sees half a folder. */
function install(from, to) {
  const temporary = mkdtempSync(join(cacheFolder(), "new-"));
  for (const [i, name] of EXECUTABLES.entries()) {
    copyFileSync(join(from, PROFILES[i] ?? "", name), join(temporary, name));
    chmodSync(join(temporary, name), 0o755);
  }
  chmodSync(temporary, 0o755);
  rmSync(to, { recursive: true, force: true });
  renameSync(temporary, to);
}

function ensureCargo() {
  if (
    cargoVersion() === null &&
    process.platform === "linux" &&
    process.getuid?.() === 0 &&
    existsSync("/usr/bin/apt-get")
  ) {
    say("no cargo here: installing Debian's cargo-web");
    spawnSync(
      "apt-get",
      ["install", "-y", "--no-install-recommends", "cargo-web", "gcc", "libc6-dev"],
      { stdio: "inherit" },
    );
  }
  const found = cargoVersion();
  if (found !== null && (found[0] > CARGO_FLOOR[0] || found[1] >= CARGO_FLOOR[1])) return;
  const have = found === null ? "cargo was not found" : `cargo ${found.join(".")} is too old`;
  fail(
    `cannot build the native executables: ${have}; install Rust ${CARGO_FLOOR.join(".")} or newer (Debian 12: apt-get install cargo-web; elsewhere: rustup), or install the package @caisson/native-${platform()} made from these sources`,
  );
}

function cargoVersion() {
  const told = spawnSync("cargo", ["--version"], { encoding: "utf8" });
  const match = /^cargo (\d+)\.(\d+)/.exec(told.stdout ?? "");
  return match === null ? null : [Number(match[1]), Number(match[2])];
}

/** Writes dist/caisson-native-<platform>-<version>.tgz: an npm package that fits these sources only. */
function pack() {
  const paths = nativePaths();
  mkdirSync(cacheFolder(), { recursive: true });
  const folder = mkdtempSync(join(cacheFolder(), "pack-"));
  const { version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const glibc = process.report?.getReport().header.glibcVersionRuntime !== undefined;
  const manifest = {
    name: `@caisson/native-${platform()}`,
    version,
    description: "Prebuilt executables of Caisson",
    license,
    os: [process.platform],
    cpu: [process.arch],
    libc: [glibc ? "glibc" : "musl"],
    files: ["bin"],
    caissonSourceHash: paths.sourceHash,
  };
  mkdirSync(join(folder, "bin"));
  copyFileSync(paths.sandbox, join(folder, "bin", EXECUTABLES[0]));
  copyFileSync(paths.compiler, join(folder, "bin", EXECUTABLES[1]));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  mkdirSync(join(root, "dist"), { recursive: true });
  const done = spawnSync("npm", ["pack", "--silent", "--pack-destination", join(root, "dist")], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
  rmSync(folder, { recursive: true });
  if (done.status !== 0) fail("cannot make the package: npm pack failed");
}

function say(text) {
  process.stderr.write(`caisson: ${text}\n`);
  return true;
}

function fail(message) {
  throw new Error(message);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const verb = process.argv[2] ?? "build";
    if (verb === "pack") pack();
    else if (verb === "build") nativePaths();
    else fail(`cannot run "${verb}": wanted build or pack`);
  } catch (error) {
    say(error.message);
    process.exitCode = 1;
  }
}
