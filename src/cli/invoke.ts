import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { invokeAtRunner } from "./invoke-at-runner.ts";
import { address } from "./profile.ts";

interface InvokeOptions {
  readonly gateway?: string;
  readonly keyFile?: string;
  readonly method: string;
  readonly data?: string;
  readonly runner?: string;
  readonly runnerCa?: string;
  readonly tenant?: string;
}

/** Calls an extension through the gateway, or on a runner elsewhere, and prints its answer; the request id goes to standard error. */
export function invokeCommand(program: Command): void {
  program
    .command("invoke <extension> [path]")
    .description("call an installed extension")
    .option("--gateway <url>", "the gateway's address; control's port + 1 unless told")
    .option("--key-file <file>", "the tenant's key; the profile's unless told")
    .option("--method <method>", "HTTP method", "GET")
    .option("--data <file>", "file to send as the body")
    .option("--runner <name or id>", "as the operator, on that runner, past every gateway")
    .option("--runner-ca <file>", "PEM of the authorities of that runner's certificate")
    .option("--tenant <name or id>", "with --runner: whose install it is")
    .action(invoke);
}

async function invoke(extension: string, path = "/", options: InvokeOptions): Promise<void> {
  const api = await address();
  const at = path.startsWith("/") ? path : `/${path}`;
  const data = options.data === undefined ? null : await readFile(options.data);
  const { runner, tenant, method, runnerCa } = options;
  if (runner !== undefined)
    return invokeAtRunner(api, {
      runner,
      extension,
      path: at,
      tenant,
      ca: runnerCa ?? null,
      method,
      data: data ?? new Uint8Array(),
    });
  const key =
    options.keyFile === undefined ? api.key : (await readFile(options.keyFile, "utf8")).trim();
  const url = new URL(`/api/ext/${extension}${at}`, options.gateway ?? nextPort(api.url));
  const response = await fetch(url, {
    method,
    redirect: "error",
    headers: { authorization: `Bearer ${key}` },
    ...(data === null ? {} : { body: data }),
  });
  process.stderr.write(
    `${response.status} request ${response.headers.get("x-request-id") ?? ""}\n`,
  );
  process.stdout.write(Buffer.from(await response.arrayBuffer()));
  if (!response.ok) process.exitCode = 1;
}

function nextPort(control: string): string {
  const url = new URL(control);
  url.port = String(Number(url.port) + 1);
  return url.href;
}
