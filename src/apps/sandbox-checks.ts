import { readFile, readlink } from "node:fs/promises";
import type { SelfCheck, SelfCheckId } from "#contract";
import type { SandboxProcess } from "#runner";
import { checkOf } from "./report-self-checks.ts";

/** Bits that the sandbox reports after its lockdown (`SandboxProcess.lockdown`). */
const REPORTED: readonly (readonly [SelfCheckId, bit: number])[] = [
  ["sandbox.landlock", 1],
  ["sandbox.seccomp", 2],
  ["sandbox.no-new-privileges", 4],
  ["sandbox.undumpable", 8],
];
/** What the kernel says of the same layer in /proc/<pid>/status (proc(5)). */
const KERNEL_SAYS: Readonly<Partial<Record<SelfCheckId, RegExp>>> = {
  "sandbox.seccomp": /^Seccomp:\s+2$/m,
  "sandbox.no-new-privileges": /^NoNewPrivs:\s+1$/m,
};

/** Every isolation layer of the sandbox that runs: what it reported, and what the kernel says where it can be asked. */
export async function sandboxChecks(sandbox: SandboxProcess | null): Promise<SelfCheck[]> {
  if (sandbox === null) return [];
  const status = await readFile(`/proc/${sandbox.pid}/status`, "utf8").catch(() => "");
  return [
    ...REPORTED.map(([id, bit]) => checkOf(id, reportedFault(id, sandbox.lockdown, bit, status))),
    checkOf("sandbox.own-user", userFault(status)),
    await networkLayer(sandbox.pid),
    checkOf("sandbox.memory-group", await memoryFault(sandbox.pid)),
  ];
}

function reportedFault(id: SelfCheckId, bits: number, bit: number, status: string): string | null {
  if ((bits & bit) === 0) return "the sandbox did not report it";
  const wanted = KERNEL_SAYS[id];
  return wanted === undefined || wanted.test(status) ? null : "the kernel does not show it";
}

function userFault(status: string): string | null {
  const [, real = ""] = /^Uid:\s+(\d+)/m.exec(status) ?? [];
  return real === "" || Number(real) === process.getuid?.() ? "it runs as the runner's user" : null;
}

/** The link of a process that gave up being read is shown to root alone. */
async function networkLayer(pid: number): Promise<SelfCheck> {
  const id = "sandbox.own-network";
  try {
    const [own, its] = [await readlink("/proc/self/ns/net"), await readlink(`/proc/${pid}/ns/net`)];
    return checkOf(id, own === its ? "it shares the runner's network namespace" : null);
  } catch {
    return { id, state: "not-available", detail: "the kernel shows it to root alone" };
  }
}

/** cgroup v2: the bound of the group that the sandbox is in, or of one above it. */
async function memoryFault(pid: number): Promise<string | null> {
  const group = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "");
  const [, path = ""] = /^0::(\/.*)$/m.exec(group) ?? [];
  for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
    const bound = await readFile(`/sys/fs/cgroup${at}/memory.max`, "utf8").catch(() => "max");
    if (bound.trim() !== "max") return null;
  }
  return "no cgroup bounds its memory";
}
