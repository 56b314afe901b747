import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { StartError } from "./data-folder.ts";

/** One supervisor per data folder. Throws StartError "data.in-use" with the other's process id. */
export async function lockData(data: string): Promise<AsyncDisposable> {
  const path = join(data, "supervisor.pid");
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await using file = await open(path, "wx", 0o600);
      await file.writeFile(String(process.pid));
      return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const pid = Number(await readFile(path, "utf8").catch(() => "0"));
      if (isCaisson(pid, await commandLine(pid)))
        throw new StartError(
          "data.in-use",
          `cannot start: process ${pid} serves the data folder ${data} already; stop it, or name another folder with CAISSON_DATA`,
        );
      await rm(path, { force: true });
    }
  }
  throw new StartError(
    "data.in-use",
    `cannot lock the data folder ${data}: another start is under way`,
  );
}

async function commandLine(pid: number): Promise<string> {
  return pid > 0 ? readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "") : "";
}

/** A process id may have been given to somebody else since. */
function isCaisson(pid: number, command: string): boolean {
  return pid !== process.pid && command.includes("all-in-one");
}
