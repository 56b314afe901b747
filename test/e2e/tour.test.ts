import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { freePorts } from "./free-ports.ts";

const TOUR = fileURLToPath(new URL("../../scripts/tour.ts", import.meta.url));
const TOUR_MS = 900_000;

/** The exit status and what it printed. */
function tour(port: number): Promise<{ exit: number | null; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [TOUR, "--port", String(port)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
    child.once("close", (exit) => resolve({ exit, out }));
  });
}

test(
  "the README's commands, typed in a fresh clone of the last commit, print what the README shows",
  async () => {
    const { exit, out } = await tour(await freePorts());
    expect(out).toMatch(/^(\d+) of \1 commands print what the README shows$/m);
    expect(exit, out).toBe(0);
  },
  TOUR_MS,
);
