import { readFileSync, statfsSync } from "node:fs";
import { release, totalmem } from "node:os";
import { MIB } from "#contract";

/** One thing that this machine has, has not, or cannot show. */
export interface MachineCheck {
  readonly id: string;
  readonly state: "on" | "off" | "not-available";
  readonly need: "required" | "more";
  readonly meaning: string;
  readonly detail: string;
  readonly remedy: string;
}

const MIN_MEMORY = 1_024 * MIB;
const MIN_DISK = 1_024 * MIB;
const MIN_MAPS = 65_530;

/** What Caisson needs or likes of the kernel and the machine, looked at without starting anything. */
export function machineChecks(dataFolder: string): MachineCheck[] {
  return [
    check("kernel.landlock", "required", {
      meaning: "the kernel can deny a process all files (landlock)",
      found: hasModule("landlock"),
      remedy: "boot with landlock in the list lsm=, on Linux 5.13 or newer",
    }),
    check("kernel.seccomp", "required", {
      meaning: "the kernel can end a process at a forbidden system call (seccomp)",
      found: contains("/proc/sys/kernel/seccomp/actions_avail", "kill_process"),
      remedy: "run a kernel built with CONFIG_SECCOMP_FILTER",
    }),
    check("kernel.pagemap-scan", "more", {
      meaning: "the kernel finds the pages that a call wrote (PAGEMAP_SCAN)",
      found: atLeast(release(), [6, 7]),
      remedy: "Linux 6.7 or newer makes calls cheaper; older ones serve as well",
    }),
    check("kernel.user-namespaces", "more", {
      meaning: "an ordinary user may make a user namespace",
      found: numberIn("/proc/sys/user/max_user_namespaces", 1),
      remedy: "as root, the database drops to another user where there is no namespace",
    }),
    check("kernel.mappings", "required", {
      meaning: "a process may have enough memory mappings for the sandbox's pool",
      found: numberIn("/proc/sys/vm/max_map_count", MIN_MAPS),
      remedy: `sysctl vm.max_map_count=${MIN_MAPS} or more`,
    }),
    check("machine.platform", "required", {
      meaning: "Linux on x86_64",
      found: process.platform === "linux" && process.arch === "x64",
      remedy: "other platforms author and control; they do not run extensions yet",
    }),
    check("machine.memory", "required", {
      meaning: "at least 1 GiB of memory",
      found: totalmem() >= MIN_MEMORY,
      remedy: "give the machine more memory",
    }),
    check("machine.disk", "required", {
      meaning: "at least 1 GiB free where the data folder lies",
      found: freeDisk(dataFolder),
      remedy: "free some space, or name another data folder with CAISSON_DATA",
    }),
  ];
}

/** found: null where the machine does not show it. */
function check(
  id: string,
  need: MachineCheck["need"],
  look: { readonly meaning: string; readonly found: boolean | null; readonly remedy: string },
): MachineCheck {
  const { meaning, found, remedy } = look;
  const state = found === null ? "not-available" : found ? "on" : "off";
  const detail = found === null ? "this machine does not show it" : "";
  return { id, state, need, meaning, detail, remedy };
}

function text(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function contains(path: string, word: string): boolean | null {
  return text(path)?.split(/\s+/).includes(word) ?? null;
}

/** securityfs is often mounted for root alone. */
function hasModule(name: string): boolean | null {
  return text("/sys/kernel/security/lsm")?.trim().split(",").includes(name) ?? null;
}

function numberIn(path: string, least: number): boolean | null {
  const found = text(path);
  return found === null ? null : Number(found) >= least;
}

function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return a > major || (a === major && b >= minor);
}

function freeDisk(folder: string): boolean | null {
  for (let at = folder; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
    try {
      const { bavail, bsize } = statfsSync(at);
      return bavail * bsize >= MIN_DISK;
    } catch {
      continue; // it is made by the first start: the folder above it counts
    }
  }
  return null;
}
