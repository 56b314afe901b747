import { randomBytes } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { LogError } from "./log-error.ts";

const LOCK = ".lock";
const ATTEMPTS = 5;

/**
 * Takes the folder for one writing process. The lock names the process by pid, start time and boot, so that a killed
 * process, a reused pid and a restarted machine free it. Throws LogError "log.locked".
 */
export async function lockFolder(dir: string): Promise<AsyncDisposable> {
  const lock = join(dir, LOCK);
  const mine = `${await describeProcess(process.pid)} ${randomBytes(8).toString("hex")}\n`;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await take(dir, lock, mine)) return { [Symbol.asyncDispose]: () => release(lock, mine) };
    const held = await readText(lock);
    if (held !== null && (await isAlive(held)))
      throw new LogError(
        "log.locked",
        `cannot open the log in ${dir}: process ${held.split(" ")[0]} writes it`,
      );
    if (held !== null) await removeStale(lock, held);
  }
  throw new LogError(
    "log.locked",
    `cannot open the log in ${dir}: other processes keep taking its lock`,
  );
}

/** link() fails when the lock is there, and shows it whole when it is not. */
async function take(dir: string, lock: string, mine: string): Promise<boolean> {
  const draft = join(dir, `${LOCK}.${randomBytes(8).toString("hex")}`);
  await writeFile(draft, mine, { flag: "wx" });
  try {
    await link(draft, lock);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Moves the lock away before looking at it again: two openers cannot both remove the one that a third just took. */
async function removeStale(lock: string, stale: string): Promise<void> {
  const aside = `${lock}.stale.${randomBytes(8).toString("hex")}`;
  try {
    await rename(lock, aside);
  } catch {
    return;
  }
  if ((await readText(aside)) !== stale) await link(aside, lock).catch(() => undefined);
  await rm(aside, { force: true });
}

async function release(lock: string, mine: string): Promise<void> {
  if ((await readText(lock)) === mine) await rm(lock, { force: true });
}

async function isAlive(held: string): Promise<boolean> {
  const [pid = "", ...rest] = held.split(" ");
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  const now = await describeProcess(Number(pid));
  // Where the system does not tell start times, a living pid counts as the holder.
  return rest[0] === "-" || now === `${pid} ${rest.slice(0, 2).join(" ")}`;
}

/** `<pid> <start time in clock ticks> <boot id>`, with "-" for what the system does not tell. */
async function describeProcess(pid: number): Promise<string> {
  const stat = await readText(`/proc/${pid}/stat`);
  const boot = (await readText("/proc/sys/kernel/random/boot_id"))?.trim() ?? "-";
  // The command's name, in parentheses, may hold spaces: count fields after it.
  const start = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "-";
  return `${pid} ${start} ${boot}`;
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return null;
  }
}
