import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Load {
  readonly requests: number;
  readonly rps: number;
}

/** wrk where it is there, else this repository's own generator; on the core given, one thread, kept-alive connections. */
export async function load(
  url: string,
  key: string | null,
  { seconds, connections, core }: { seconds: number; connections: number; core: number },
): Promise<Load> {
  const header = key === null ? [] : ["-H", `authorization: Bearer ${key}`];
  const { stdout } = await run("taskset", [
    "-c",
    String(core),
    ...generator(),
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    ...header,
    url,
  ]);
  const failed = /Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)/.exec(stdout);
  if (failed !== null) throw new Error(`${url} did not answer every request: ${failed[0]}`);
  return {
    requests: Number(/(\d+) requests in/.exec(stdout)?.[1]),
    rps: Number(/Requests\/sec: +([\d.]+)/.exec(stdout)?.[1]),
  };
}

let chosen: readonly string[] | null = null;

function generator(): readonly string[] {
  chosen ??= process.env["CAISSON_BENCH_LOAD"] === "own" ? own() : wrk();
  return chosen;
}

function own(): readonly string[] {
  return [process.execPath, new URL("own-load.ts", import.meta.url).pathname];
}

function wrk(): readonly string[] {
  const path = (process.env["PATH"] ?? "")
    .split(":")
    .map((folder) => `${folder}/wrk`)
    .find((file) => existsSync(file));
  return path === undefined ? own() : [path];
}

export function generatorName(): string {
  return generator().length === 1 ? "wrk" : "own generator in Node";
}
