// Loaded before a process of ours by the tests alone (NODE_OPTIONS=--import): ends it with SIGKILL at the n-th durable operation.
// A durable operation is what a later answer rests on: a write or sync of a file, a rename, the commit of a change.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename, join } from "node:path";
import pg from "pg";

const folder = process.env.CAISSON_TEST_KILL_DIR ?? "";
const name = basename(process.argv[1] ?? "", ".ts");
const { existsSync, readFileSync, appendFileSync, writeSync } = fs;
let armed = "";
let count = 0;

/** `<folder>/<process>.arm` holds an id of the arming and the number of the point to die at. */
function point(what) {
  const file = join(folder, `${name}.arm`);
  if (!existsSync(file)) return;
  const [id = "", at = ""] = readFileSync(file, "utf8").split(" ");
  if (id !== armed) [armed, count] = [id, 0];
  // Once for each arming: who comes back lives.
  const died = join(folder, `${name}.${id}.died`);
  if (existsSync(died)) return;
  count += 1;
  appendFileSync(join(folder, `${name}.points`), `${id} ${count} ${what} ${siteOf()}\n`);
  if (count !== Number(at)) return;
  appendFileSync(died, "");
  process.kill(process.pid, "SIGKILL");
  // Nothing of this thread runs on until the signal arrives.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000);
}

/** The line of our own source that asked for it. */
function siteOf() {
  const lines = (new Error().stack ?? "").split("\n");
  const own = lines.find((line) => line.includes("/src/"));
  return /\/(src\/[^):]+:\d+)/.exec(own ?? "")?.[1] ?? "-";
}

function around(what, original) {
  return async function (...args) {
    point(`before ${what}`);
    return original.apply(this, args);
  };
}

const probe = await fs.promises.open(process.execPath, "r");
const handles = Object.getPrototypeOf(probe);
await probe.close();
handles.sync = around("sync", handles.sync);
handles.datasync = around("datasync", handles.datasync);
fs.promises.rename = around("rename", fs.promises.rename);
fs.writeSync = function (fd, ...args) {
  // Standard output and error are no file that anything rests on.
  if (fd <= 2) return writeSync(fd, ...args);
  point("before write");
  return writeSync(fd, ...args);
};
syncBuiltinESMExports();

const query = Reflect.get(pg.Client.prototype, "query");
const CHANGES = /^\s*(insert|update|delete|with)\b/i;
const changing = new WeakSet();
pg.Client.prototype.query = function (...args) {
  const text = typeof args[0] === "string" ? args[0] : (args[0]?.text ?? "");
  if (CHANGES.test(text)) changing.add(this);
  if (!/^\s*commit\b/i.test(text) || !changing.delete(this)) return query.apply(this, args);
  point("before commit");
  const done = query.apply(this, args);
  return typeof done?.then === "function"
    ? done.then((result) => {
        point("after commit");
        return result;
      })
    : done;
};
