import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { KitError } from "./kit-error.ts";

const INCLUDE = fileURLToPath(new URL("../../sdk/guest/c", import.meta.url));
const run = promisify(execFile);

/** C to a core module with clang and lld. Throws KitError "tool.missing" where clang is not there. */
export async function compileC(source: string, work: string): Promise<Uint8Array> {
  const out = join(work, "main.wasm");
  const args = [
    "--target=wasm32",
    "-O2",
    "-std=c17",
    "-Wall",
    "-ffreestanding",
    "-nostdlib",
    "-I",
    INCLUDE,
    "-Wl,--no-entry",
    "-Wl,-z,stack-size=65536",
    "-o",
    out,
    source,
  ];
  try {
    await run("clang", args, { timeout: 60_000 });
  } catch (cause) {
    const { code, stderr } = cause as { code?: unknown; stderr?: string }; // execFile's rejection
    if (code === "ENOENT")
      throw new KitError(
        "tool.missing",
        "cannot build C: clang is not installed; on Debian run apt-get install clang lld",
        { cause },
      );
    throw new KitError("component.build", `cannot compile ${source}: ${stderr ?? String(cause)}`, {
      cause,
    });
  }
  return readFile(out);
}
