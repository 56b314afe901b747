import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { StartError } from "./data-folder.ts";

const TAKEN = 75;
/** So long the lock of a supervisor that was killed may outlive it. */
const PATIENCE_MS = 3_000;
const AGAIN_MS = 50;

/**
 * One supervisor per data folder. The lock is the kernel's (flock(2)), so that it holds between containers that share a
 * folder, whose process ids say nothing to each other, and ends with its holder: a process that lives as long as this one.
 * Throws StartError "data.in-use", "data.unwritable".
 */
export async function lockData(data: string): Promise<AsyncDisposable> {
  const path = join(data, "supervisor.lock");
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const holder = startHolder(path);
    const code = await heldOrEnded(holder);
    if (code === null) {
      try {
        await writeFile(path, `${process.pid}\n`);
      } catch (cause) {
        await release(holder);
        throw unwritable(data, String(cause));
      }
      return { [Symbol.asyncDispose]: () => release(holder) };
    }
    if (code !== TAKEN) throw unwritable(data, `flock: ${code}`);
    if (performance.now() > end) throw await inUse(data, path);
    await pause(AGAIN_MS);
  }
}

/** Ends when its input does, which the kernel closes with this process. In a group of its own: Ctrl-C is not for it. */
function startHolder(path: string): ChildProcess {
  const options = ["--nonblock", "--no-fork", "--conflict-exit-code", String(TAKEN)];
  const holder = spawn("flock", [...options, path, "cat"], {
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  holder.stdin?.on("error", () => {}); // it may have ended before it read
  return holder;
}

/** Null once the lock is held: only then does the holder send back what it is sent. Else how flock ended. */
function heldOrEnded(holder: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => {
    holder.once("error", (error) => resolve(error.message));
    holder.once("exit", (code, signal) => resolve(code ?? signal ?? ""));
    holder.stdout?.once("data", () => resolve(null));
    holder.stdin?.write("\n");
  });
}

async function release(holder: ChildProcess): Promise<void> {
  if (holder.exitCode !== null || holder.signalCode !== null) return;
  const gone = once(holder, "exit");
  holder.stdin?.end();
  await gone;
}

function unwritable(data: string, reason: string): StartError {
  return new StartError(
    "data.unwritable",
    `cannot lock the data folder ${data} (${reason}): name another with CAISSON_DATA`,
  );
}

async function inUse(data: string, path: string): Promise<StartError> {
  const pid = (await readFile(path, "utf8").catch(() => "")).trim();
  return new StartError(
    "data.in-use",
    `cannot start: process ${pid || "unknown"} of this machine or of a container serves the data folder ${data} already; stop it, or name another folder with CAISSON_DATA`,
  );
}
