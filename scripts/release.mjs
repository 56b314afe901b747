// Makes the files of a release from the last commit: the platform package, the sources with what their tests came to, checksums.
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");
const RESULTS = ["test-results/tests.json", "test-results/teeth.json"];
const HELP = `npm run release
makes dist/: the platform package, the sources of the last commit, SHA256SUMS
  run npm test and npm run test:teeth before: what they came to goes with the sources, for caisson posture
`;

function release() {
  if (git("status", "--porcelain") !== "")
    throw new Error(
      "cannot make a release: the folder differs from its last commit; commit, or clean it",
    );
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  execFileSync(process.execPath, [join(root, "scripts/native.mjs"), "pack"], { stdio: "inherit" });
  packSources(version);
  const sums = readdirSync(dist)
    .toSorted()
    .map((name) => `${sha256(join(dist, name))}  ${name}\n`);
  writeFileSync(join(dist, "SHA256SUMS"), sums.join(""));
  process.stdout.write(sums.join(""));
}

/** With the results of the tests on these very sources, where there are any. */
function packSources(version) {
  const prefix = `caisson-${version}/`;
  const results = RESULTS.filter((path) => existsSync(join(root, path)));
  if (results.length < RESULTS.length)
    process.stderr.write(
      "caisson: without results of npm test and npm run test:teeth: the release's posture says so\n",
    );
  const more = results.flatMap((path) => [
    `--prefix=${prefix}${dirname(path)}/`,
    `--add-file=${path}`,
  ]);
  const archive = ["archive", "--format=tar.gz", "-o", join(dist, `caisson-${version}.tar.gz`)];
  git(...archive, ...more, `--prefix=${prefix}`, "HEAD");
}

function git(...args) {
  return execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
}

function sha256(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

if (process.argv.includes("--help")) process.stdout.write(HELP);
else {
  try {
    release();
  } catch (error) {
    process.stderr.write(`caisson: ${error.message}\n`);
    process.exitCode = 1;
  }
}
