import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { address } from "./profile.ts";

/** Calls an extension through the gateway and prints its answer; the request id goes to standard error. */
export function invokeCommand(program: Command): void {
  program
    .command("invoke <extension> [path]")
    .description("call an installed extension")
    .option("--gateway <url>", "the gateway's address; control's port + 1 unless told")
    .option("--key-file <file>", "the tenant's key; the profile's unless told")
    .option("--method <method>", "HTTP method", "GET")
    .option("--data <file>", "file to send as the body")
    .action(
      async (
        extension: string,
        path = "/",
        options: { gateway?: string; keyFile?: string; method: string; data?: string },
      ) => {
        const api = await address();
        const key =
          options.keyFile === undefined
            ? api.key
            : (await readFile(options.keyFile, "utf8")).trim();
        const url = new URL(
          `/api/ext/${extension}${path.startsWith("/") ? path : `/${path}`}`,
          options.gateway ?? nextPort(api.url),
        );
        const response = await fetch(url, {
          method: options.method,
          redirect: "error",
          headers: { authorization: `Bearer ${key}` },
          ...(options.data === undefined ? {} : { body: await readFile(options.data) }),
        });
        process.stderr.write(
          `${response.status} request ${response.headers.get("x-request-id") ?? ""}\n`,
        );
        process.stdout.write(Buffer.from(await response.arrayBuffer()));
        if (!response.ok) process.exitCode = 1;
      },
    );
}

function nextPort(control: string): string {
  const url = new URL(control);
  url.port = String(Number(url.port) + 1);
  return url.href;
}
