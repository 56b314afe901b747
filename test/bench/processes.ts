import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { childrenOf } from "../e2e/children.ts";

/** proc(5): times are in units of sysconf(_SC_CLK_TCK), which is 100 on every Linux that Node runs on. */
const TICK_US = 10_000;

/** User and system time of a process so far, in µs; with `children`, of those too that it has waited for. */
export function cpuOf(pid: number, children = false): number {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const own = (fields[11] ?? 0) + (fields[12] ?? 0);
  return (own + (children ? (fields[13] ?? 0) + (fields[14] ?? 0) : 0)) * TICK_US;
}

export function parentOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** A process and everything below it. */
export function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid, "").flatMap(treeOf)];
}

/** Time that all cores together were busy so far, in µs. */
function busyTime(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (
    /^cpu +(.*)$/m.exec(read("/proc/stat"))?.[1] ?? ""
  )
    .split(" ")
    .map(Number);
  return (user + nice + system + irq + softirq) * TICK_US;
}

function ownTime(): number {
  const [self = 0, ...below] = treeOf(process.pid);
  return cpuOf(self, true) + below.reduce((sum, pid) => sum + cpuOf(pid), 0);
}

/** What others used meanwhile, in cores. */
export function watchForeign(): () => number {
  const [busy, own, from] = [busyTime(), ownTime(), performance.now()];
  return () => {
    const foreign = busyTime() - busy - (ownTime() - own);
    return Math.max(0, foreign / 1_000 / (performance.now() - from));
  };
}

/** All threads of a process to one core. */
export function pin(pid: number, core: number): void {
  execFileSync("taskset", ["-a", "-c", "-p", String(core), String(pid)], { stdio: "ignore" });
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
